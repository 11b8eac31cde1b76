"""What every store must do. Subclass and give a `store` fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from rushes.store.base import Store


class StoreContract:
    def test_bytes_come_back(self, store: Store) -> None:
        written = store.put("a/1.mp4", b"hello")
        assert (written.key, written.size) == ("a/1.mp4", 5)
        assert store.get("a/1.mp4") == b"hello"
        assert store.head("a/1.mp4") == written

    def test_a_file_is_stored(self, store: Store, tmp_path: Path) -> None:
        source = tmp_path / "clip"
        source.write_bytes(bytes(range(256)) * 4096)
        store.put("b/2.mp4", source)
        assert store.get("b/2.mp4") == source.read_bytes()

    def test_a_second_put_replaces(self, store: Store) -> None:
        store.put("a/1.jpg", b"one")
        store.put("a/1.jpg", b"second")
        assert store.get("a/1.jpg") == b"second"

    def test_ranges(self, store: Store) -> None:
        store.put("r/1.mp4", b"0123456789")
        assert store.read("r/1.mp4", 2, 3) == b"234"
        assert store.read("r/1.mp4", 8, 100) == b"89"
        assert store.read("r/1.mp4", 50, 5) == b""

    def test_missing_keys(self, store: Store) -> None:
        store.put("there/1.mp4", b"x")
        for key in ("nothing/1.mp4", "there", "there/1.mp4/2.mp4"):
            for ask in (store.get, store.head, lambda k: store.read(k, 0, 1)):
                with pytest.raises(KeyError):
                    ask(key)
        store.delete("nothing/1.mp4")

    def test_list_and_delete(self, store: Store) -> None:
        for key in ("a/1.mp4", "a/2.mp4", "b/1.mp4"):
            store.put(key, b"x")
        assert sorted(o.key for o in store.list("a/")) == ["a/1.mp4", "a/2.mp4"]
        assert sorted(o.key for o in store.list()) == ["a/1.mp4", "a/2.mp4", "b/1.mp4"]
        store.delete("a/1.mp4")
        store.delete("a/2.mp4")
        assert [o.key for o in store.list()] == ["b/1.mp4"]

    @pytest.mark.parametrize(
        "key",
        ["../x", "a/../../x", "/etc/passwd", "", "a//b", ".hidden", "a/.b", "a\\b", "a\0b", "a/b#1", "ü"],
    )
    def test_hostile_keys_are_missing_keys(self, store: Store, key: str) -> None:
        with pytest.raises(KeyError):
            store.get(key)
        with pytest.raises(KeyError):
            store.put(key, b"x")

    def test_check_leaves_nothing(self, store: Store) -> None:
        store.check()
        assert list(store.list()) == []
