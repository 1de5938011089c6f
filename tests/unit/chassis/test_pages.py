"""Page tokens are bound to their RPC and query, and nothing else can make one."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from chassis.errors import InvalidInput
from chassis.pages import PageTokens, page_size

METHOD = "gantry.test.v1.ListService/List"
KEY = b"k" * 32


def _message_class() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="pages_test.proto", package="gantry.test", syntax="proto3")
    message = file.message_type.add(name="ListRequest")
    kind = descriptor_pb2.FieldDescriptorProto
    for number, (name, type_, label) in enumerate(
        [
            ("force", kind.TYPE_STRING, kind.LABEL_OPTIONAL),
            ("kinds", kind.TYPE_STRING, kind.LABEL_REPEATED),
            ("purpose", kind.TYPE_STRING, kind.LABEL_OPTIONAL),
            ("page_size", kind.TYPE_UINT32, kind.LABEL_OPTIONAL),
            ("page_token", kind.TYPE_STRING, kind.LABEL_OPTIONAL),
            ("max_reads", kind.TYPE_UINT32, kind.LABEL_OPTIONAL),
        ],
        1,
    ):
        message.field.add(name=name, number=number, type=type_, label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("gantry.test.ListRequest"))


ListRequest = _message_class()
TOKENS = PageTokens([KEY])


def _next(token: str, **fields: object) -> Message:
    return ListRequest(**{"force": "essex", "kinds": ["a"], "page_token": token, **fields})


def _token(*place: int | str, tokens: PageTokens = TOKENS) -> str:
    return tokens.token(METHOD, _next(""), place or (7,))


def test_without_a_token_it_is_the_first_page():
    assert TOKENS.place(METHOD, _next("")) is None


@pytest.mark.parametrize("place", [(7,), (-(2**63), 2**63 - 1), ("cam-é", 3, ""), (True, 0)])
def test_a_place_comes_back(place: tuple[int | str, ...]):
    assert TOKENS.place(METHOD, _next(_token(*place))) == place


@pytest.mark.parametrize("free", [{"page_size": 9}, {"max_reads": 5}, {"purpose": "another"}])
def test_how_much_and_why_may_change_from_page_to_page(free: dict[str, object]):
    assert TOKENS.place(METHOD, _next(_token(7), **free)) == (7,)


@pytest.mark.parametrize("other", [{"force": "kent"}, {"kinds": ["a", "b"]}, {"kinds": []}])
def test_a_token_of_another_query_is_refused(other: dict[str, object]):
    with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID") as raised:
        TOKENS.place(METHOD, _next(_token(7), **other))
    assert raised.value.field == "page_token"


def test_a_token_of_another_rpc_is_refused():
    with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
        TOKENS.place("gantry.test.v1.ListService/Other", _next(_token(7)))


def test_a_token_signed_with_another_key_is_refused():
    with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
        TOKENS.place(METHOD, _next(_token(7, tokens=PageTokens([b"x" * 32]))))


def test_an_older_key_still_verifies_and_the_newest_signs():
    both = PageTokens([b"x" * 32, KEY])
    assert both.place(METHOD, _next(_token(7))) == (7,)
    assert PageTokens([b"x" * 32]).place(METHOD, _next(_token(7, tokens=both))) == (7,)


@pytest.mark.parametrize("junk", ["x", "AAAA", "é", "=", "A" * 24, urlsafe_b64encode(b"\0" * 40).decode()])
def test_junk_is_refused(junk: str):
    with pytest.raises(InvalidInput, match="PAGE_TOKEN_INVALID"):
        TOKENS.place(METHOD, _next(junk))


def test_every_changed_byte_is_refused():
    raw = urlsafe_b64decode(_token(7, "abc"))
    for index in range(len(raw)):
        changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        with pytest.raises(InvalidInput):
            TOKENS.place(METHOD, _next(urlsafe_b64encode(changed).decode()))


def test_page_sizes():
    assert [page_size(0), page_size(1), page_size(1000), page_size(0, 50, 20)] == [100, 1, 1000, 20]
    for asked, most in ((1001, 1000), (51, 50)):
        with pytest.raises(InvalidInput, match="PAGE_SIZE_INVALID"):
            page_size(asked, most)
