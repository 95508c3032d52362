"""pytest-django: a database for each worker."""

from __future__ import annotations

import pytest

from ..gates import Project

pytest.importorskip("pytest_django")

FILES = {
    "settings.py": """
SECRET_KEY = "none"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3", "NAME": "main.sqlite3", "TEST": {"NAME": "test.sqlite3"}
}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
""",
    "shop/__init__.py": "",
    "shop/models.py": """
from django.db import models

class Item(models.Model):
    name = models.CharField(max_length=100)
""",
    "test_shop.py": """
import pytest
from django.db import connection
from shop.models import Item

@pytest.mark.django_db
@pytest.mark.parametrize("number", range(12))
def test_items(number, worker_id):
    assert Item.objects.count() == 0
    Item.objects.create(name=str(number))
    assert Item.objects.get().name == str(number)
    assert connection.settings_dict["NAME"] == f"test.sqlite3_{worker_id}"
    open(f"used-{worker_id}", "a").write(".")

@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(4))
def test_transactions(number):
    assert Item.objects.count() == 0
    Item.objects.create(name="kept")

def test_without_database():
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        Item.objects.count()
""",
}
PLUGIN = ("-p", "pytest_django.plugin", "--ds=settings")


@pytest.mark.parametrize("slots", [("-n2",), ()], ids=["n2", "one"])
def test_each_worker_has_its_database(project: Project, workers: str, slots: tuple[str, ...]) -> None:
    project.write(FILES).write({"conftest.py": ""})
    run = project.run(*PLUGIN, *slots, workers)
    assert run.status == 0, run.text
    assert "17 passed" in run.lines[-1]
    used = sorted(path.name for path in project.folder.glob("used-*"))
    assert used == (["used-gw0", "used-gw1"] if slots else ["used-gw0"])
    assert not list(project.folder.glob("test.sqlite3*"))  # removed at the end
