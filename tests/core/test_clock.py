from __future__ import annotations

import uuid

from rushes.core.clock import new_uuid


def test_ids_are_random_uuids_in_their_usual_form() -> None:
    drawn = {new_uuid() for _ in range(200)}
    assert len(drawn) == 200
    for text in drawn:
        read = uuid.UUID(text)
        assert (str(read), read.version, read.variant) == (text, 4, uuid.RFC_4122)
