"""The documents are the user's own words, and none of their code is left out."""

import re

import pytest
from documents import RESTORED, TEXTS, Block, blocks, kind_of


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("block", blocks(*RESTORED), ids=str)
def test_what_was_restored_by_hand_is_in_the_document_word_for_word(block: Block):
    assert squeezed(block.source) in squeezed(TEXTS[block.document])


@pytest.mark.parametrize("document", RESTORED)
def test_nothing_that_looks_like_code_was_left_behind(document):
    rest = squeezed(TEXTS[document])
    for block in blocks(document):
        rest = rest.replace(squeezed(block.source), "", 1)
    assert not re.findall(r"import\w|tracker\.|tool\.set|await|with\w+\(", rest)


@pytest.mark.parametrize("document", sorted(TEXTS.keys() - RESTORED.keys()))
def test_every_fence_of_a_document_is_a_block(document):
    assert len(blocks(document)) == TEXTS[document].count("```python")


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_is_run_or_compared(block: Block):
    assert kind_of(block)


def test_the_documents_have_the_blocks_that_they_have():
    """So that a change of the reader above cannot quietly lose some."""
    found = {document: len(blocks(document)) for document in TEXTS}
    assert found == {"000": 19, "001": 18, "002": 38, "003": 5, "004": 2}
