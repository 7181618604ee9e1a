"""
What pytest needs to run these tests as trial does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def scratchFolder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """
    Run in a folder of its own, as trial does: ``mktemp`` of its test cases makes files in the working folder.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("trial"))
        yield
