import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bar_talk import BarTalk


@pytest.fixture
def bar():
    return BarTalk()
