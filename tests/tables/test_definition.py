"""A table's list of architectures: pinned, without repetition, and growing only at its end."""

from pathlib import Path

import pytest

from metanas.base.errors import InvalidValue
from metanas.base.registry import UnknownName
from metanas.space.enumeration import member
from metanas.tables.definition import load_definition, text_of
from tests import known_table


def test_table_v1_lists_the_same_200_architectures_for_ever() -> None:
    definition = load_definition("table-v1")
    listed = [text_of(a) for a in definition.architectures]
    assert len(listed) == len(set(listed)) == 200
    assert {"conv3/relu > conv3/relu > conv3/relu", "skip/relu", "conv3/relu > maxpool3 > fc/relu"} <= set(
        listed
    )
    assert listed[27:29] == ["skip/tanh > avgpool3/relu", "avgpool3/sigmoid > fc/sigmoid > conv3/tanh"]
    outside = [a for a in definition.architectures if member(definition.search_space, a) is None]
    assert len(outside) == 3  # C-P-F and its like: max pooling without an activation


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    short = known_table.DEFINITION
    longer = short.model_copy(update={"random": 35, "seeds": (0, 3, 4), "suites": ("mini-v1", "other")})
    assert longer.architectures[: len(short.architectures)] == short.architectures
    assert short.grows_to(longer) and not longer.grows_to(short)
    assert not short.grows_to(short.model_copy(update={"iterations": 3}))


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no table named 'table-v2'; did you mean 'table-v1'"):
        load_definition("table-v2")
    own = tmp_path / "own.yaml"
    own.write_text("name: own")
    with pytest.raises(InvalidValue, match=r"own.yaml does not define a table"):
        load_definition(own)
    fields = known_table.DEFINITION.model_dump()
    with pytest.raises(ValueError, match="the space has 72 architectures, too few for 80 random ones"):
        known_table.Definition.model_validate(fields | {"random": 80})
    with pytest.raises(ValueError, match="episodes are of val and test, got test"):
        known_table.Definition.model_validate(fields | {"episodes": {"test": 4}})
