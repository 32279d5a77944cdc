"""Options given from Python, written as a command line has them."""

from hypothesis import example, given
from hypothesis import strategies as st

from ivr.config.call import as_overrides
from ivr.config.overrides import parse_overrides, text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@example("daten/größe.csv")
@example("1e5")
@example("null")
@example("a+1/b")
@example("${oc.env:HOME}\\")
def test_a_text_is_read_back_as_it_was(value):
    (override,) = parse_overrides(as_overrides({"dataset__path": value}))
    assert override.key_or_group == "dataset.path"
    assert text(override) == value
