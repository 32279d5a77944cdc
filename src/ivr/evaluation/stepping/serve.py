"""Steps environments for another process: python -m ivr.evaluation.stepping.serve PIPE."""

import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from farama_notifications import notifications

from ivr.errors import UserError


def serve(connection: Connection) -> None:
    """Carry out orders (method of Environments, arguments) until the other side disconnects."""
    # News about environments that are not used here, printed when those that are are imported.
    notifications.pop("gymnasium_robotics", None)
    from ivr.evaluation.stepping.environments import Environments

    environments = Environments(connection.recv())
    try:
        while True:
            method, arguments = connection.recv()
            answer: Any
            try:
                answer = getattr(environments, method)(*arguments)
            except UserError as error:
                answer = error
            except Exception:  # whatever an environment raises, and whether it can be sent or not
                answer = RuntimeError(traceback.format_exc())
            connection.send(answer)
    except (EOFError, ConnectionError):
        environments.close()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
