"""Listings: order, shards, what is a picture, what is done."""

import tracemalloc
from collections.abc import Iterator

import pytest

from maskery.jobs.folder.listing import PictureCounts, PictureListing, Shard, is_picture
from maskery.jobs.folder.places import StoredFile


def files(*names: str) -> list[StoredFile]:
    return [StoredFile(name, 10, 100) for name in names]


@pytest.fixture
def listing() -> Iterator[PictureListing]:
    with PictureListing() as listing:
        yield listing


def waiting(listing: PictureListing, shard: Shard = Shard(), since: int = 0) -> list[str]:  # noqa: B008
    return [listed.file.name for listed in listing.waiting(shard, since)]


@pytest.mark.parametrize("name", ["a.jpg", "a/b.PNG", "x y/z.tiff", "ä/\u202f.webp", "a.b.jpeg"])
def test_pictures(name: str) -> None:
    assert is_picture(name)


@pytest.mark.parametrize(
    "name", ["a.txt", ".a.jpg", "._a.jpg", ".hidden/a.jpg", "@eaDir/a.jpg", "x/__MACOSX/._a.jpg", "jpg", "Thumbs.db"]
)
def test_what_is_no_picture(name: str) -> None:
    assert not is_picture(name)


def test_order_is_that_of_the_names(listing: PictureListing) -> None:
    listing.fill(files("b.jpg", "a/c.jpg", "a.jpg", "a/b.jpg", "readme.txt"))
    assert waiting(listing) == ["a.jpg", "a/b.jpg", "a/c.jpg", "b.jpg"]


def test_names_that_are_no_utf_8_stay_what_they_are(listing: PictureListing) -> None:
    name = b"\xff\xfe.jpg".decode("utf-8", "surrogateescape")
    listing.fill(files(name))
    assert waiting(listing) == [name]


def test_shards_are_disjoint_and_complete(listing: PictureListing) -> None:
    names = [f"{i:04}.jpg" for i in range(300)]
    listing.fill(files(*names))
    parts = [waiting(listing, Shard(i, 3)) for i in range(3)]
    assert sorted(name for part in parts for name in part) == names
    assert all(60 < len(part) < 140 for part in parts)


def test_done_pictures_wait_again_when_they_have_changed(listing: PictureListing) -> None:
    listing.fill(files("a.jpg", "b.jpg", "c.jpg"))
    listing.mark_done([(StoredFile("a.jpg", 10, 100), False), (StoredFile("b.jpg", 10, 100), True)])
    assert waiting(listing) == ["c.jpg"]
    assert listing.count(Shard()) == PictureCounts(waiting=1, done=2, failed=1)
    listing.fill([StoredFile("a.jpg", 11, 100), StoredFile("b.jpg", 10, 101), StoredFile("c.jpg", 10, 100)])
    assert waiting(listing) == ["a.jpg", "b.jpg", "c.jpg"]
    assert not listing.is_current(StoredFile("a.jpg", 10, 100))
    assert listing.is_current(StoredFile("a.jpg", 11, 100))


def test_only_pictures_of_late(listing: PictureListing) -> None:
    listing.fill([StoredFile("a.jpg", 1, 50), StoredFile("b.jpg", 1, 100)])
    assert waiting(listing, since=100) == ["b.jpg"]


def test_a_picture_whose_answers_would_replace_another_s_says_so(listing: PictureListing) -> None:
    listing.fill(files("a.png", "a.jpg", "b/a.jpg"))
    assert [listed.twin for listed in listing.waiting(Shard())] == ["", "a.jpg", ""]


def test_memory_does_not_grow_with_the_number(listing: PictureListing) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        listing.fill(StoredFile(f"{i:020}.jpg", 1, 1) for i in range(count))
        listing.mark_done((StoredFile(f"{i:020}.jpg", 1, 1), False) for i in range(0, count, 2))
        assert sum(1 for _ in listing.waiting(Shard())) == count // 2
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(3_000), peak(30_000)
    assert many < 1.5 * few + 100_000
