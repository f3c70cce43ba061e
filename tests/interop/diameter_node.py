"""What the lanes' Diameter servers by python-diameter share; each is a script of its own beside this file."""

from __future__ import annotations

import os
import signal
import threading

from diameter.node import Node
from diameter.node.application import ThreadingApplication
from diameter.node.node import NotRoutable

REALMS = ["fd.test", "our.test"]
"""Whose requests they take."""
_GOODBYE = 2.0
_END = {signal.SIGTERM, signal.SIGINT}


class Answering(ThreadingApplication):
    """An application that goes on when an answer has nowhere to go."""

    def send_answer(self, message):
        """Answer; python-diameter 0.9 ends its only thread for answers if the peer that asked is gone meanwhile."""
        try:
            super().send_answer(message)
        except NotRoutable as error:
            print(f"an answer has nowhere to go: {error}", flush=True)


def serve(name: str, port: int, application: ThreadingApplication, client: str = "slee.our.test") -> None:
    """Serve `client` as NAME.fd.test on a port until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _END)  # before there are threads, which inherit it
    node = Node(f"{name}.fd.test", "fd.test", ip_addresses=["127.0.0.1"], tcp_port=port)
    realm = client.partition(".")[2]
    peer = node.add_peer(f"aaa://{client}:3868;transport=tcp", realm, ip_addresses=["127.0.0.1"], is_persistent=False)
    node.add_application(application, [peer], REALMS)
    node.start()
    print(f"{name.upper()} ready", flush=True)
    signal.sigwait(_END)
    # Peers have their goodbye at once; then the library lets every thread of its own run out, which takes nine seconds.
    ending = threading.Thread(target=node.stop, kwargs={"wait_timeout": 1, "force": True}, daemon=True)
    ending.start()
    ending.join(_GOODBYE)
    os._exit(0)
