"""Messages put together from bytes are what protobuf would have made of them."""

from __future__ import annotations

from gantry.common.v1.read_columns_pb2 import ReadColumns
from gantry.store.v1.store_pb2 import ReadBatch, TailReadsResponse
from hypothesis import given
from hypothesis import strategies as st

from services.store.log.wire import read_batch, tail_response, with_images

texts = st.lists(st.text(max_size=200), max_size=30)


@given(texts, st.lists(st.integers(1, 2**63 - 1), max_size=30), st.text(max_size=60))
def test_a_batch(read_ids: list[str], positions: list[int], traceparent: str) -> None:
    reads = ReadColumns(read_ids=read_ids)
    framed = read_batch(reads.SerializeToString(), positions, traceparent, 17)
    assert ReadBatch.FromString(framed) == ReadBatch(
        reads=reads, positions=positions, traceparent=traceparent, received_at_us=17
    )


@given(texts, st.binary(max_size=40_000))
def test_images_added_later_are_part_of_the_reads(read_ids: list[str], image: bytes) -> None:
    reads = ReadColumns(read_ids=read_ids)
    framed = with_images(read_batch(reads.SerializeToString(), [1], "", 0), [image, b""], [b"", image])
    reads.plate_patches.extend([image, b""])
    reads.overviews.extend([b"", image])
    assert ReadBatch.FromString(framed) == ReadBatch(reads=reads, positions=[1])


@given(st.lists(texts, max_size=5), st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_response(batches: list[list[str]], position: int, head: int) -> None:
    messages = [ReadBatch(reads=ReadColumns(read_ids=read_ids)) for read_ids in batches]
    framed = tail_response([message.SerializeToString() for message in messages], position, head)
    assert TailReadsResponse.FromString(framed) == TailReadsResponse(
        batches=messages, position=position, head=head
    )
