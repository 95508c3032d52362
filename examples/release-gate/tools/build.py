"""Makes dist/romans.zip, which Python can import from."""

import pathlib
import zipfile

here = pathlib.Path(__file__).parents[1]
target = here / "dist" / "romans.zip"
target.parent.mkdir(exist_ok=True)
with zipfile.ZipFile(target, "w") as archive:
    for path in sorted((here / "src").rglob("*.py")):
        archive.write(path, path.relative_to(here / "src"))
print(f"built {target.relative_to(here)}")
