import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from maskery.encode.text import xml_text


@given(text=st.text())
def test_any_text_comes_back(text: str) -> None:
    """Whatever XML can hold at all; the rest is replaced, one for one."""
    tree = ElementTree.fromstring(f'<a b="{xml_text(text)}">{xml_text(text)}</a>')
    for found in (tree.get("b"), tree.text or ""):
        assert found is not None
        assert len(found) == len(text)
        assert all(a in (b, "\ufffd") for a, b in zip(found, text, strict=True))


def test_what_is_escaped() -> None:
    assert xml_text("""a<b>&"c'\0""") == """a&lt;b&gt;&amp;&quot;c'\ufffd"""
    label = "é \n模型"
    assert ElementTree.fromstring(f'<a b="{xml_text(label)}"/>').get("b") == label
