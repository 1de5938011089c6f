"""The batch document: what the bridge writes is what the simulated centre reads, whatever is in it."""

from base64 import b64decode
from xml.etree.ElementTree import Element

import pytest
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from services.nas_bridge.destinations.nadc_document import (
    AnswerError,
    batch_document,
    parse_fault,
    parse_receipt,
)
from simulators.nadc.document import DocumentError, parse_batch
from tests.unit.nas_bridge.reads import make_columns

XML_TEXT = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n\r"
    ),
    min_size=1,
    max_size=20,
)
CAPTURED = b"2025-11-21T21:13:32.123456Z"
ONE_READ = (
    b"<ReadBatch force='essex' count='1'>"
    b"<Read camera='c' id='i' plate='P' confidence='1' captured='%b'/></ReadBatch>"
)
RECEIPT = b'<BatchReceipt receipt="N1" batch="b" accepted="5" duplicate="2" refused="1">%b</BatchReceipt>'


def reads_of(document: bytes) -> list[Element]:
    return list(ElementTree.fromstring(document).iter("Read"))


def test_a_read_says_what_the_columns_say() -> None:
    (read,) = reads_of(batch_document("essex", "essex/nadc/1-1", [make_columns(["r1"], headings=[270])]))
    assert read.attrib == {
        "camera": "A12-1",
        "id": "r1",
        "captured": "2025-11-21T21:13:32.000007Z",
        "plate": "AB12CDE",
        "confidence": "0.970",
        "lat": "51.7355123",
        "lon": "-0.4691234",
        "heading": "270",
    }


def test_what_is_not_known_is_left_out() -> None:
    unknown = [2147483647, 517_355_123]
    run = make_columns(["r1", "r2"], latitudes_e7=unknown, longitudes_e7=unknown, headings=[360, 0])
    without, known = reads_of(batch_document("essex", "b", [run]))
    assert not {"lat", "lon", "heading"} & set(without.attrib)
    assert known.attrib["heading"] == "0"


def test_images_travel_byte_for_byte() -> None:
    patch, overview = bytes(range(256)), b"\xff\xd8" * 999
    run = make_columns(["r1", "r2", "r3"], plate_patches=[patch, b"", patch], overviews=[overview, b"", b""])
    document = batch_document("essex", "b", [run])
    found = [
        {image.attrib["kind"]: b64decode(image.text or "", validate=True) for image in read}
        for read in reads_of(document)
    ]
    assert found == [{"plate": patch, "overview": overview}, {}, {"plate": patch}]
    batch = parse_batch(document)
    assert (batch.plate_patches, batch.overviews) == (2, 1)


@given(
    read_ids=st.lists(XML_TEXT, min_size=1, max_size=5),
    cameras=st.lists(XML_TEXT, min_size=2, max_size=2),
    name=XML_TEXT,
    first=st.integers(0, 4_102_444_800_000_000),
)
def test_the_centre_reads_the_identities_that_were_sent(
    read_ids: list[str], cameras: list[str], name: str, first: int
) -> None:
    captured = [first + 333_333 * number for number in range(len(read_ids))]
    run = make_columns(read_ids, camera_ids=cameras, captured_at_us=captured)
    batch = parse_batch(batch_document("kent", name, [run, run]))
    assert batch.reads.force == "kent"
    assert list(batch.reads.read_ids) == read_ids * 2
    assert list(batch.reads.captured_at_us) == captured * 2
    assert list(batch.reads.camera_ids) == [cameras[number % 2] for number in range(len(read_ids))] * 2


def test_characters_that_xml_cannot_carry_are_replaced() -> None:
    batch = parse_batch(batch_document("kent", "b", [make_columns(["a\x00b", "c\uffffd"])]))
    assert list(batch.reads.read_ids) == ["a\ufffdb", "c\ufffdd"]


def test_a_receipt_is_read() -> None:
    refused = b'<Refused seq="3" reason="TOO_DARK">Cannot be seen.</Refused>'
    receipt = parse_receipt(RECEIPT % refused)
    assert (receipt.receipt, receipt.accepted, receipt.duplicate) == ("N1", 5, 2)
    assert list(receipt.refused) == [(3, "TOO_DARK", "Cannot be seen.")]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"<BatchReceipt/>",
        RECEIPT[:-5] % b"",
        RECEIPT.replace(b'"5"', b'"five"') % b"",
        RECEIPT % b'<Refused seq="x" reason="R"/>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><BatchReceipt receipt="&b;" accepted="1" duplicate="0"/>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><BatchReceipt receipt="x" accepted="1" duplicate="0"/>',
        b'<?xml version="1.0" encoding="no-such"?><BatchReceipt/>',
    ],
)
def test_an_answer_that_is_no_receipt_is_an_error(document: bytes) -> None:
    with pytest.raises(AnswerError):
        parse_receipt(document)


def test_a_faults_code_is_read_only_if_it_is_one() -> None:
    assert parse_fault(b'<BatchFault code="BATCH_INVALID" text="No."/>') == "BATCH_INVALID"
    assert parse_fault(b'<BatchFault code="AB12 CDE was wrong" text="No."/>') == ""
    assert parse_fault(b"<html/>") == parse_fault(b"nothing") == ""


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"<ReadBatch force='essex' count='0'/>", "1 to 20000 reads"),
        ((ONE_READ % CAPTURED).replace(b"count='1'", b"count='2'"), "count"),
        ((ONE_READ % CAPTURED).replace(b"plate=", b"vrm="), "lacks the attribute plate"),
        (b"<ReadBatch force='essex' count='1'><Read/></ReadBatch>", "lacks the attribute camera"),
        ((ONE_READ % CAPTURED).replace(b"essex", b"Essex"), "force"),
        (b"<ReadBatch force='essex' count='1'><Van/></ReadBatch>", "'Van'"),
        (b"<ReadBatch", "well-formed"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><ReadBatch/>", "document type"),
        (ONE_READ % b"2025-11-21 21:13", "captured"),
        (ONE_READ % b"2025-13-21T21:13:32.123456Z", "captured"),
        (ONE_READ % b"2025-11-21T21:13:32.12345xZ", "captured"),
    ],
)
def test_the_centre_says_what_is_wrong_with_a_batch(document: bytes, says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        parse_batch(document)
