"""A home subscriber server by python-diameter: `python hss.py PORT`; it knows sip:alice@example.test."""

from __future__ import annotations

import re
import sys
import threading
from typing import ClassVar

from diameter.message.avp.grouped import ExperimentalResult
from diameter.message.commands import ProfileUpdateRequest, UserDataRequest
from diameter.node.application import ThreadingApplication
from diameter.node.peer import PeerStats
from diameter_node import serve

SH = 16777217
TGPP = 10415
KNOWN = "sip:alice@example.test"
# python-diameter 0.9 gives Sh the User-Data of Cx (606); that of Sh is 702 (TS 29.329 6.3).
for command in (ProfileUpdateRequest, type(UserDataRequest().to_answer())):
    command.avp_def = tuple(
        row._replace(avp_code=702) if row.attr_name == "user_data" else row for row in command.avp_def
    )
# And it cannot count an answer that has an Experimental-Result instead of a Result-Code.
count = PeerStats.add_sent_result_code
PeerStats.add_sent_result_code = lambda stats, result: None if result is None else count(stats, result)
ABSENT = "<RepositoryData><ServiceIndication>{}</ServiceIndication><SequenceNumber>0</SequenceNumber></RepositoryData>"


class Subscribers(ThreadingApplication):
    """Keeps RepositoryData elements by service, and minds their sequence numbers (TS 29.328 6.1.2)."""

    kept: ClassVar[dict[str, tuple[int, str]]] = {}
    lock = threading.Lock()

    def handle_request(self, message):
        answer = message.to_answer()
        answer.session_id = message.session_id
        answer.origin_host, answer.origin_realm = b"hss.fd.test", b"fd.test"
        answer.auth_session_state = 1
        answer.vendor_specific_application_id = message.vendor_specific_application_id
        with self.lock:
            failure = self._answer(message, answer)
        if failure:
            answer.experimental_result = ExperimentalResult(vendor_id=TGPP, experimental_result_code=failure)
        else:
            answer.result_code = 2001
        return answer

    def _answer(self, message, answer) -> int:
        if message.user_identity.public_identity != KNOWN:
            return 5001
        if isinstance(message, UserDataRequest):
            services = [name.decode() for name in message.service_indication or ()]
            parts = [self.kept[s][1] if s in self.kept else ABSENT.format(s) for s in services]
            answer.user_data = f"<Sh-Data>{''.join(parts)}</Sh-Data>".encode()
        elif isinstance(message, ProfileUpdateRequest):
            document = message.user_data.decode()
            element = re.search(r"<RepositoryData>.*</RepositoryData>", document, re.DOTALL)[0]
            service = re.search(r"<ServiceIndication>(.*?)</", element)[1]
            number = int(re.search(r"<SequenceNumber>(\d+)</", element)[1])
            wanted = self.kept[service][0] + 1 if service in self.kept else 0
            if number != wanted:
                return 5105
            if "<ServiceData>" in element:
                self.kept[service] = number, element
            else:
                self.kept.pop(service, None)
        return 0


if __name__ == "__main__":
    serve("hss", int(sys.argv[1]), Subscribers(application_id=SH, is_auth_application=True, max_threads=2))
