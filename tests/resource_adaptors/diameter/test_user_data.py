"""User data over Sh: documents, messages, requests, subscriptions and the server side (DIA-41 to DIA-43)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_adaptors.diameter.api import (
    DIAMETER,
    AnswerTimeout,
    DataReference,
    LocalProtocolError,
    ProfileUpdateRequest,
    RepositoryData,
    ShAnswer,
    ShNotification,
    ShResult,
    ShSubscription,
    SubscribeRequest,
    Undeliverable,
    UserData,
    UserDataRequest,
    UserIdentity,
    next_sequence,
)
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, octets
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.sh_document import LARGEST, read_document
from resource_adaptors.diameter.protocol.user_data import ShReply, ShRequest, read_sh_reply, read_sh_request
from resource_adaptors.diameter.servers import user_address
from resource_adaptors.diameter.testing import DiameterSimulator
from resource_adaptors.diameter.user_data_double import UserDataDouble
from slee import ActivityContext, ActivityEnd, Address, AddressPlan, Cmp, Sbb, cmp, handles, initial_event, resource
from slee.testing import RecordingResource, SleeHarness
from tests.resource_adaptors.diameter.meter import DESK, Do

ALICE = UserIdentity("sip:alice@example.net")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)
NAMES = TEXTS.filter(bool)
STORED_UMLAUT = (
    "<Sh-Data><RepositoryData><ServiceIndication>x</ServiceIndication><SequenceNumber>1</SequenceNumber>"
    "<ServiceData>\u00e4</ServiceData></RepositoryData></Sh-Data>"
)
STORED = st.builds(RepositoryData.holding, NAMES, TEXTS, st.integers(0, 65_535))


@given(
    st.builds(
        UserData,
        public_identities=st.lists(NAMES, max_size=3).map(tuple),
        msisdns=st.lists(NAMES, max_size=2).map(tuple),
        repository=st.lists(STORED, max_size=3).map(tuple),
        scscf=TEXTS,
        filter_criteria=st.lists(st.sampled_from(["", "<Priority>0</Priority>", "<a><b x='1'/>t</a>"])).map(tuple),
        ims_user_state=st.none() | st.integers(0, 3),
        cs_location=st.sampled_from(["", "<VLRNumber>5</VLRNumber>"]),
        cs_user_state=st.none() | st.integers(0, 3),
    )
)
def test_dia_42_what_is_written_is_read_again(data: UserData) -> None:
    assert read_document(data.document()) == data


def test_dia_42_repository_data_are_handed_on_as_they_are_written() -> None:
    document = (
        b"<Sh-Data><RepositoryData><ServiceIndication>x</ServiceIndication><SequenceNumber>7</SequenceNumber>"
        b"<ServiceData> <n:a xmlns:n='u'>&lt;<![CDATA[<]]></n:a><!-- c --></ServiceData></RepositoryData></Sh-Data>"
    )
    (kept,) = read_document(document).repository
    assert kept == RepositoryData("x", 7, " <n:a xmlns:n='u'>&lt;<![CDATA[<]]></n:a><!-- c -->")
    assert kept.text == " <<"
    assert (
        read_document(
            document.replace(b"<ServiceData> ", b"<ServiceData/><Other>").replace(b"</ServiceData>", b"</Other>")
        )
        .repository[0]
        .data
        == ""
    )


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no XML",
        b"<Other/>",
        b"<Sh-Data>",
        b"<!DOCTYPE Sh-Data><Sh-Data/>",
        b"<!DOCTYPE Sh-Data [<!ENTITY a 'b'>]><Sh-Data>&a;</Sh-Data>",
        b"<!DOCTYPE Sh-Data SYSTEM 'http://example.net/x.dtd'><Sh-Data/>",
        b"<Sh-Data>&unknown;</Sh-Data>",
        b"<Sh-Data>\xff</Sh-Data>",
        b"<Sh-Data>" + b"<a>" * 32 + b"</a>" * 32 + b"</Sh-Data>",
        b"<Sh-Data>" + b" " * LARGEST + b"</Sh-Data>",
        b"<Sh-Data><RepositoryData><SequenceNumber>1</SequenceNumber></RepositoryData></Sh-Data>",
        b"<Sh-Data><RepositoryData><ServiceIndication>x</ServiceIndication></RepositoryData></Sh-Data>",
        b"<Sh-Data><RepositoryData><ServiceIndication>x</ServiceIndication>%b</RepositoryData></Sh-Data>"
        % b"<SequenceNumber>65536</SequenceNumber>",
        b"<Sh-Data><CSUserState>idle</CSUserState></Sh-Data>",
        "<Sh-Data>\ufffe</Sh-Data>".encode(),
        b"<Sh-Data>&#xFFFF;</Sh-Data>",
        b"<Sh-Data>\xed\xa0\x80</Sh-Data>",
        *(STORED_UMLAUT.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "latin-1")),
        b"<Sh-Data><CSUserState>0</CSUserState><CSUserState>1</CSUserState></Sh-Data>",
        b"<Sh-Data><Sh-IMS-Data><S-CSCFName>a</S-CSCFName><S-CSCFName>b</S-CSCFName></Sh-IMS-Data></Sh-Data>",
        b"<Sh-Data><PublicIdentifiers><IMSPublicIdentity>a<b/>c</IMSPublicIdentity></PublicIdentifiers></Sh-Data>",
    ],
)
def test_dia_42_what_is_no_document_is_experimental_5100(document: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_document(document)
    assert (caught.value.result, caught.value.vendor) == (5100, 10_415)


def test_dia_42_the_bounds_themselves_are_taken() -> None:
    deep = b"<Sh-Data>" + b"<a>" * 31 + b"</a>" * 31 + b"</Sh-Data>"
    assert read_document(deep) == UserData()
    frame = len(b"<Sh-Data></Sh-Data>")
    assert read_document(b"<Sh-Data>" + b" " * (LARGEST - frame) + b"</Sh-Data>") == UserData()


@given(st.binary(max_size=200))
def test_com_22_any_octets_are_a_document_or_refused(data: bytes) -> None:
    for octets_ in (data, b"<Sh-Data>" + data + b"</Sh-Data>"):
        try:
            read_document(octets_)
        except RemoteProtocolError as error:
            assert error.result == 5100


def test_dia_42_numbers_of_updates_rise_and_wrap_to_one() -> None:
    assert next_sequence(None) == 0
    assert next_sequence(0) == 1
    assert next_sequence(65_534) == 65_535
    assert next_sequence(65_535) == 1


@pytest.mark.parametrize(
    "data",
    [
        UserData(repository=(RepositoryData("x", 0, "<a>"),)),
        UserData(repository=(RepositoryData("x", 0, "</ServiceData><ServiceData>"),)),
        UserData(filter_criteria=("</InitialFilterCriteria><InitialFilterCriteria>",)),
        UserData(scscf="x" * LARGEST),
    ],
)
def test_dia_42_what_would_be_no_document_is_refused_here(data: UserData) -> None:
    with pytest.raises(LocalProtocolError, match=r"^user data: (?!user data).*DIA-42\]; "):
        data.document()


@pytest.mark.parametrize("character", ["\0", "\v", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_dia_42_characters_that_no_xml_holds_are_refused_here(character: str) -> None:
    told = rf"^user data: .*U\+{ord(character):04X}.*DIA-42\]; "
    with pytest.raises(LocalProtocolError, match=told):
        RepositoryData.holding("x", f"a{character}b")
    for data in (
        UserData(scscf=f"sip:{character}"),
        UserData(filter_criteria=(f"<a>{character}</a>",)),
        UserData(repository=(RepositoryData(character, 0),)),
    ):
        with pytest.raises(LocalProtocolError, match=told):
            data.document()
    with pytest.raises(LocalProtocolError, match=told):
        _ = RepositoryData("x", 0, character).text


def test_dia_42_text_is_given_back_to_the_last_character() -> None:
    text = "\x7f\x85\t\n\r\n\r]]>&#13; \u2028\U0001fffe"
    kept = RepositoryData.holding("x", text)
    (again,) = read_document(UserData(repository=(kept,)).document()).repository
    assert again.text == text


def test_dia_42_data_that_are_no_xml_have_no_text() -> None:
    with pytest.raises(LocalProtocolError, match="DIA-42"):
        _ = RepositoryData("x", 0, "<a>").text


def test_dia_42_the_results_of_sh_have_names() -> None:
    assert sorted(map(int, ShResult)) == [4100, 4101, 5001, *range(5100, 5109)]


@pytest.mark.parametrize("digits", ["43123456", "4312345", "0"])
def test_dia_41_numbers_are_written_two_digits_to_an_octet(digits: str) -> None:
    assert UserIdentity.read(UserIdentity(msisdn=digits).avp()) == UserIdentity(msisdn=digits)
    member = find(UserIdentity(msisdn="4312345").avp().group(), codes.SH_MSISDN, codes.TGPP)
    assert member.data == bytes.fromhex("342143f5")


@pytest.mark.parametrize("identity", [UserIdentity(), UserIdentity("sip:a", "1"), UserIdentity(msisdn="+43")])
def test_dia_41_a_user_is_named_by_one_of_the_two(identity: UserIdentity) -> None:
    with pytest.raises(LocalProtocolError, match="DIA-41"):
        identity.avp()


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xf1\x22"])
def test_dia_41_numbers_without_digits_are_refused(data: bytes) -> None:
    broken = Avp(codes.SH_USER_IDENTITY, octets(codes.SH_MSISDN, data, vendor=codes.TGPP).encode(), codes.TGPP)
    with pytest.raises(RemoteProtocolError):
        UserIdentity.read(broken)


SUBSCRIBED = ShRequest(
    user=ALICE,
    references=(DataReference.REPOSITORY_DATA,),
    services=("x",),
    wants_data=True,
    expires=datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC),
    session_id="a;1;1",
    origin_host="a",
    origin_realm="r",
    realm="s",
    host="h",
)


def test_dia_41_requests_survive_the_wire() -> None:
    assert read_sh_request(SUBSCRIBED.message(codes.SUBSCRIBE_NOTIFICATIONS)) == SUBSCRIBED
    reply = ShReply(result=2001, data=UserData(scscf="x"), expires=SUBSCRIBED.expires)
    message = Message(308, codes.SH, 0, 1, 1, (Avp(268, (2001).to_bytes(4)), *reply.avps()))
    assert read_sh_reply(message) == reply


def test_dia_41_a_data_reference_that_is_not_served_is_5004() -> None:
    message = SUBSCRIBED.message(codes.SUBSCRIBE_NOTIFICATIONS)
    avps = tuple(
        Avp(avp.code, (99).to_bytes(4), avp.vendor) if avp.code == codes.SH_DATA_REFERENCE else avp
        for avp in message.avps
    )
    with pytest.raises(RemoteProtocolError) as caught:
        read_sh_request(Message(308, codes.SH, 0xC0, 1, 1, avps))
    assert caught.value.result == 5004


# The client side.


class Reader(Sbb, vendor="test", version="1.0"):
    """Does errands with user data, and notes what it is told."""

    diameter = resource(DIAMETER)
    desk = resource(DESK)
    held: Cmp[ActivityContext | None] = cmp(None)
    told: ClassVar[list[object]] = []

    @initial_event(selector=lambda event: "reader")
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.errand(self)

    @handles
    def on_answer(self, event: ShAnswer, aci: ActivityContext) -> None:
        Reader.told.append(event)

    @handles
    def on_notification(self, event: ShNotification, aci: ActivityContext) -> None:
        Reader.told.append((event, aci.activity))

    @handles
    def on_timeout(self, event: AnswerTimeout, aci: ActivityContext) -> None:
        Reader.told.append(event)

    @handles
    def on_undeliverable(self, event: Undeliverable, aci: ActivityContext) -> None:
        Reader.told.append(event)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        Reader.told.append("end")


class Desk:
    """A harness with a reader and a server of user data."""

    def __init__(self, slee: SleeHarness) -> None:
        self.slee = slee
        self.diameter = DiameterSimulator()
        self.peer = self.diameter.peer("hss.example.net")
        self.hss = UserDataDouble(self.peer)
        self.hss.users[ALICE] = UserData(public_identities=("sip:alice@example.net",), scscf="sip:scscf")
        slee.add_resource("diameter", self.diameter, self.diameter.configuration_for())
        self.desk = slee.add_resource("desk", RecordingResource(DESK))
        slee.install(Reader)
        self.desk.endpoint.start_activity("desk", "desk")
        Reader.told.clear()
        slee.advance(1)

    def do(self, errand: Callable[[Reader], object]) -> None:
        self.desk.endpoint.fire("desk", Do(errand))
        self.slee.run()
        self.slee.advance(0.1)

    def ask(self, call: Callable[[Reader], ActivityContext]) -> None:
        def errand(reader: Reader) -> None:
            reader.held = call(reader)
            reader.held.attach(reader)

        self.do(errand)

    def subscribe(self, expires: datetime.datetime | None = None) -> None:
        self.ask(
            lambda reader: reader.diameter.subscribe(
                ALICE, DataReference.REPOSITORY_DATA, realm="example.net", service="menu", expires=expires
            )
        )


@pytest.fixture
def desk() -> Iterator[Desk]:
    with SleeHarness(leftovers_allowed=True) as slee:
        yield Desk(slee)


def test_dia_41_user_data_are_read(desk: Desk) -> None:
    wanted = (DataReference.S_CSCF_NAME, DataReference.IMS_USER_STATE)
    desk.ask(lambda reader: reader.diameter.user_data(ALICE, wanted, realm="example.net"))
    answer, end = Reader.told
    assert (answer.kind, answer.user, answer.reply.is_success) == ("UDA", ALICE, True)
    assert answer.reply.data == UserData(scscf="sip:scscf")
    assert end == "end"


def test_dia_41_what_a_service_keeps_is_written_in_order(desk: Desk) -> None:
    def update(sequence: int, text: str | None) -> ShReply:
        kept = RepositoryData("menu", sequence) if text is None else RepositoryData.holding("menu", text, sequence)
        desk.ask(lambda reader: reader.diameter.profile_update(ALICE, kept, realm="example.net"))
        return Reader.told[-2].reply

    assert update(0, "a & b").is_success
    assert desk.hss.users[ALICE].of_service("menu").text == "a & b"
    refused = update(0, "c")
    assert (refused.result, refused.is_experimental) == (ShResult.TRANSPARENT_DATA_OUT_OF_SYNC, True)
    assert update(1, None).is_success
    assert desk.hss.users[ALICE].of_service("menu") is None


def test_dia_41_unknown_users_are_told_as_experimental_result(desk: Desk) -> None:
    bob = UserIdentity(msisdn="43123")
    desk.ask(lambda reader: reader.diameter.user_data(bob, (DataReference.MSISDN,), realm="example.net"))
    reply = Reader.told[0].reply
    assert (reply.result, reply.is_experimental, reply.is_success) == (ShResult.USER_UNKNOWN, True, False)


def test_dia_41_silence_and_no_route_are_told(desk: Desk) -> None:
    desk.peer.is_silent = True
    desk.ask(lambda reader: reader.diameter.user_data(ALICE, (DataReference.MSISDN,), realm="example.net"))
    desk.slee.advance(11)
    assert [type(told) for told in Reader.told] == [AnswerTimeout, str]
    desk.ask(lambda reader: reader.diameter.user_data(ALICE, (DataReference.MSISDN,), realm="nowhere"))
    assert [type(told) for told in Reader.told[2:]] == [Undeliverable, str]


def test_dia_41_an_answer_with_a_broken_document_counts_as_5100(desk: Desk) -> None:
    honest = desk.peer.on_request

    def broken(message: Message) -> Message:
        answer = honest(message)
        avps = tuple(Avp(a.code, b"<x", a.vendor) if a.code == codes.SH_USER_DATA else a for a in answer.avps)
        return Message(answer.command, answer.application, answer.flags, answer.hop_by_hop, answer.end_to_end, avps)

    desk.peer.on_request = broken
    desk.ask(lambda reader: reader.diameter.user_data(ALICE, (DataReference.S_CSCF_NAME,), realm="example.net"))
    assert Reader.told[0].reply == ShReply(result=5100, is_experimental=True)


def test_dia_43_a_notification_reaches_its_subscription_and_is_answered(desk: Desk) -> None:
    desk.subscribe()
    assert desk.hss.subscriptions == {(ALICE, DataReference.REPOSITORY_DATA, "menu")}
    assert Reader.told[0].reply.is_success
    changed = UserData(repository=(RepositoryData("menu", 3, "new"),))
    desk.hss.change(ALICE, changed)
    desk.slee.advance(1)
    event, activity = Reader.told[1]
    assert event.data == changed
    assert activity == ShSubscription(ALICE, DataReference.REPOSITORY_DATA, "menu")
    assert desk.peer.answers[0].result == 2001


@pytest.mark.parametrize(
    ("user", "data"),
    [
        (UserIdentity("sip:bob@example.net"), UserData(repository=(RepositoryData("menu", 3, "new"),))),
        (ALICE, UserData(repository=(RepositoryData("other", 3, "new"),))),
        (ALICE, UserData(scscf="sip:other")),
    ],
)
def test_dia_43_without_subscription_it_is_5107(desk: Desk, user: UserIdentity, data: UserData) -> None:
    desk.subscribe()
    desk.hss.change(user, data)
    desk.slee.advance(1)
    assert len(Reader.told) == 1
    assert desk.peer.answers[0].result == ShResult.NO_SUBSCRIPTION_TO_DATA
    assert desk.peer.answers[0].find(codes.RESULT_CODE) is None


def test_dia_43_a_notification_with_a_broken_document_is_5100(desk: Desk) -> None:
    desk.subscribe()
    request = ShRequest(
        user=ALICE,
        session_id="h;1",
        origin_host="hss.example.net",
        origin_realm="example.net",
        realm="slee.net",
        host="slee.example.net",
        data=UserData(scscf="x"),
    ).message(codes.PUSH_NOTIFICATION)
    avps = tuple(Avp(a.code, b"<x", a.vendor) if a.code == codes.SH_USER_DATA else a for a in request.avps)
    desk.peer.ask(Message(309, codes.SH, 0xC0, 0, 0, avps))
    desk.slee.advance(1)
    assert desk.peer.answers[0].result == 5100
    assert len(Reader.told) == 1


def test_dia_41_a_subscription_ends_by_request(desk: Desk) -> None:
    desk.subscribe()
    desk.do(lambda reader: reader.diameter.unsubscribe(reader.held))
    assert [told if isinstance(told, str) else told.kind for told in Reader.told] == ["SNA", "SNA", "end"]
    assert desk.hss.subscriptions == set()
    assert desk.diameter.user_data.subscriptions == {}


def test_dia_41_a_subscription_ends_when_it_expires(desk: Desk) -> None:
    soon = datetime.datetime.fromtimestamp(desk.slee.now() + 60, datetime.UTC)
    desk.subscribe(soon)
    desk.slee.advance(58)
    assert Reader.told[-1] != "end"
    desk.slee.advance(3)
    assert Reader.told[-1] == "end"
    assert len(desk.hss.requests) == 1


def test_dia_41_a_subscription_without_listener_is_given_up(desk: Desk) -> None:
    desk.subscribe()
    desk.do(lambda reader: reader.held.detach(reader))
    assert desk.hss.subscriptions == set()
    assert desk.diameter.user_data.subscriptions == {}


def test_dia_41_a_refused_subscription_ends(desk: Desk) -> None:
    del desk.hss.users[ALICE]
    desk.subscribe()
    assert [type(told) for told in Reader.told] == [ShAnswer, str]


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.user_data(ALICE, (), realm="r"),
        lambda d: d.user_data(ALICE, (DataReference.MSISDN,), realm=""),
        lambda d: d.user_data(UserIdentity(), (DataReference.MSISDN,), realm="r"),
        lambda d: d.subscribe(ALICE, DataReference.REPOSITORY_DATA, realm="r"),
        lambda d: d.subscribe(ALICE, DataReference.S_CSCF_NAME, realm="r", service="x"),
        lambda d: d.profile_update(ALICE, RepositoryData("x", 0, "<"), realm="r"),
        lambda d: d.notify(ALICE, UserData(), realm="r", host=""),
    ],
    ids=["nothing asked", "no realm", "nobody", "no service", "a service too many", "no XML", "no host"],
)
def test_com_4_wrong_requests_for_user_data_are_refused_at_the_call(desk: Desk, call: Callable[..., object]) -> None:
    def errand(reader: Reader) -> None:
        with pytest.raises(LocalProtocolError):
            call(reader.diameter)
        Reader.told.append("refused")

    desk.do(errand)
    assert Reader.told == ["refused"]


# The server side.


class Keeper(Sbb, vendor="test", version="1.0"):
    """A server of user data."""

    diameter = resource(DIAMETER)
    asked: ClassVar[list[object]] = []
    refuses: ClassVar[bool] = False

    def answer(self, event: object, aci: ActivityContext, data: UserData | None) -> None:
        Keeper.asked.append(event.request)
        if Keeper.refuses:
            self.diameter.answer_user_data(aci, ShResult.OPERATION_NOT_ALLOWED)
        else:
            self.diameter.answer_user_data(aci, 2001, data)

    @initial_event(selector=lambda event: event.message.session_id)
    def on_read(self, event: UserDataRequest, aci: ActivityContext) -> None:
        self.answer(event, aci, UserData(scscf="sip:kept"))

    @initial_event(selector=lambda event: event.message.session_id)
    def on_update(self, event: ProfileUpdateRequest, aci: ActivityContext) -> None:
        self.answer(event, aci, None)

    @initial_event(selector=lambda event: event.message.session_id)
    def on_subscribe(self, event: SubscribeRequest, aci: ActivityContext) -> None:
        self.answer(event, aci, None)
        request = event.request
        self.diameter.notify(
            request.user, UserData(scscf="sip:new"), realm=request.origin_realm, host=request.origin_host
        )


class Keepers:
    """A harness in which the double is the client."""

    def __init__(self, slee: SleeHarness) -> None:
        self.slee = slee
        self.diameter = DiameterSimulator()
        self.client = self.diameter.peer("as.example.net")
        slee.add_resource("diameter", self.diameter, self.diameter.configuration_for())
        slee.install(Keeper)
        Keeper.asked.clear()
        Keeper.refuses = False
        slee.advance(1)

    def ask(self, command: int, data: UserData | None = None, *, broken: bytes = b"") -> Message:
        request = ShRequest(
            user=ALICE,
            references=(DataReference.S_CSCF_NAME,) if command != codes.PROFILE_UPDATE else (DataReference(0),),
            data=data,
            session_id=f"as;1;{command}",
            origin_host="as.example.net",
            origin_realm="example.net",
            realm="slee.net",
        )
        message = request.message(command)
        if broken:
            avps = tuple(Avp(a.code, broken, a.vendor) if a.code == codes.SH_USER_DATA else a for a in message.avps)
            message = Message(command, codes.SH, 0xC0, 0, 0, avps)
        self.client.ask(message)
        self.slee.advance(1)
        return self.client.answers[-1]


@pytest.fixture
def keepers() -> Iterator[Keepers]:
    with SleeHarness(leftovers_allowed=True) as slee:
        yield Keepers(slee)


def test_dia_41_a_service_answers_as_a_server(keepers: Keepers) -> None:
    reply = read_sh_reply(keepers.ask(codes.USER_DATA))
    assert reply == ShReply(result=2001, data=UserData(scscf="sip:kept"))
    kept = UserData(repository=(RepositoryData("x", 0, "d"),))
    assert read_sh_reply(keepers.ask(codes.PROFILE_UPDATE, kept)).is_success
    assert Keeper.asked[-1].data == kept
    assert read_sh_reply(keepers.ask(codes.SUBSCRIBE_NOTIFICATIONS)).is_success


def test_dia_41_a_server_tells_its_subscribers(keepers: Keepers) -> None:
    keepers.ask(codes.SUBSCRIBE_NOTIFICATIONS)
    (pushed,) = keepers.diameter.messages_sent("PNR")
    assert pushed.text(codes.DESTINATION_HOST) == "as.example.net"
    assert read_sh_request(pushed).data == UserData(scscf="sip:new")


def test_dia_41_a_server_refuses_with_experimental_results(keepers: Keepers) -> None:
    Keeper.refuses = True
    reply = read_sh_reply(keepers.ask(codes.USER_DATA))
    assert (reply.result, reply.is_experimental) == (ShResult.OPERATION_NOT_ALLOWED, True)


def test_dia_42_an_update_with_a_broken_document_reaches_no_service(keepers: Keepers) -> None:
    answer = keepers.ask(codes.PROFILE_UPDATE, UserData(scscf="x"), broken=b"<x")
    assert (answer.result, answer.find(codes.RESULT_CODE), answer.is_error) == (5100, None, False)
    assert Keeper.asked == []


def test_dia_45_the_address_of_a_request_is_its_user() -> None:
    assert user_address(ALICE) == Address(AddressPlan.SIP, "sip:alice@example.net")
    assert user_address(UserIdentity(msisdn="43")) == Address(AddressPlan.E164, "43")
