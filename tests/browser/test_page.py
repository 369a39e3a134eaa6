"""The page in a real browser against the real server."""

import base64
import io
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FilePayload, Page, Route, expect

from maskery.core.labels import VOC, voc_palette
from tests.browser.watch import Watch
from tests.material import person_and_cat

SAMPLES = Path(__file__).parents[2] / "src/maskery/serving/web/samples"
PERSON = VOC.index("person")
RESULT = "#page[data-state=result]"
WAIT = 60_000  # milliseconds; a busy machine may take long for one picture


# ---------------------------------------------------------------- helpers


def choose_sample(page: Page, name: str = "astronaut.jpg") -> None:
    page.click(f"[data-sample='{name}']")
    page.wait_for_selector(RESULT, timeout=WAIT)


def choose_file(page: Page, data: bytes, name: str = "photo.jpg", mime: str = "image/jpeg") -> None:
    page.set_input_files("#file", FilePayload(name=name, mimeType=mime, buffer=data))


def choose_person_and_cat(page: Page, server_url: str) -> NDArray[np.uint8]:
    """Show a picture with two classes; their ids, (H, W)."""
    data = jpeg(person_and_cat(), quality=95)
    choose_file(page, data)
    page.wait_for_selector(RESULT, timeout=WAIT)
    ids = mask_over_http(server_url, data)
    assert {PERSON, VOC.index("cat")} <= set(np.unique(ids).tolist())
    return ids


def canvas(page: Page) -> NDArray[np.int16]:
    """The canvas as it is now, (H, W, 4) RGBA, signed so that differences can be taken."""
    address = page.evaluate("document.getElementById('canvas').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as picture:
        return np.asarray(picture.convert("RGBA"), dtype=np.int16)


def at_opacity(page: Page, percent: int) -> NDArray[np.int16]:
    page.fill("#opacity", str(percent))
    return canvas(page)


def mask_over_http(server_url: str, picture: bytes) -> NDArray[np.uint8]:
    """(H, W) class ids by a plain request."""
    request = urllib.request.Request(f"{server_url}/v1/segment?format=mask", data=picture, method="POST")
    request.add_header("Content-Type", "application/octet-stream")
    with urllib.request.urlopen(request, timeout=WAIT / 1000) as response:
        return ids_of(response.read())


def ids_of(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        assert picture.mode in ("P", "L")
        return np.array(picture)


def png(values: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def inline(values: NDArray[np.uint8]) -> dict[str, str]:
    """A mask as the JSON answer holds it."""
    return {"media_type": "image/png", "base64": base64.b64encode(png(values)).decode()}


def jpeg(rgb: NDArray[np.uint8], **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", **options)
    return file.getvalue()


def point_at(page: Page, ids: NDArray[np.uint8], wanted: int) -> None:
    """Move the mouse to a pixel in the middle of those of class ``wanted``."""
    rows, columns = np.nonzero(ids == wanted)
    middle = len(rows) // 2
    box = page.locator("#canvas").bounding_box()
    assert box
    scale = box["width"] / ids.shape[1]
    page.mouse.move(box["x"] + (columns[middle] + 0.5) * scale, box["y"] + (rows[middle] + 0.5) * scale)


def fake_answer(page: Page, model: dict[str, Any], answer: dict[str, Any]) -> None:
    """Let the page believe in a server with this one model, which answers ``answer`` to every picture."""
    card = {"version": "1", "description": "", "licence": {"name": "CC0-1.0", "commercial_use": True, "note": ""}}
    whole = {
        "model": {"name": model["name"], "version": "1", "sha256": "0" * 64},
        "frame": {"original": {"width": 8, "height": 4}, "orientation": 1, "working": {"width": 8, "height": 4}},
        "timings_ms": {"decode": 1.0, "run": 2.0},
    }
    models = {"default": model["name"], "models": [card | model]}
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    page.route("**/v1/segment?*", lambda route: route.fulfill(json=whole | answer))
    page.reload()
    page.wait_for_selector("#ability-list li")
    choose_file(page, jpeg(np.full((4, 8, 3), 100, np.uint8)))
    page.wait_for_selector(RESULT, timeout=WAIT)


# ---------------------------------------------------------------- loading


def test_loads_without_errors_and_without_other_hosts(watched: tuple[Page, Watch], server_url: str) -> None:
    page, watch = watched
    page.goto(server_url)
    page.wait_for_selector("#sample-list button")
    choose_sample(page)
    assert watch.errors == []
    assert watch.foreign == []


def test_picker_shows_the_models_of_the_server(page: Page, server_url: str) -> None:
    with urllib.request.urlopen(f"{server_url}/v1/models", timeout=30) as response:
        known = json.load(response)
    assert page.locator("#model option").all_text_contents()[0] == f"{known['default']} (default)"
    assert page.input_value("#model") == known["default"]
    default = next(model for model in known["models"] if model["name"] == known["default"])
    expect(page.locator("#model-about")).to_contain_text(default["description"])
    expect(page.locator("#model-about")).to_contain_text(default["task"])


# ---------------------------------------------------------------- result


def test_legend_names_the_person_first(page: Page) -> None:
    choose_sample(page)
    names = [name for name in page.locator(".legend-name").all_text_contents() if name != "background"]
    assert names[0] == "person"
    shares = page.locator(".legend-share").all_text_contents()
    assert sum(float(share.strip("<>% ")) for share in shares) == pytest.approx(100, abs=0.2 * len(shares))


def test_facts_of_the_answer_are_shown(page: Page) -> None:
    choose_sample(page, "chelsea.jpg")
    expect(page.locator("#facts")).to_contain_text("451 × 300 px")
    expect(page.locator("#facts")).to_contain_text(page.input_value("#model"))
    stages = page.locator("#stages li span:first-child").all_text_contents()
    assert stages == ["queue", "decode", "preprocess", "run", "postprocess"]
    assert page.locator("#total").inner_text().endswith(("ms", "s"))


def test_canvas_changes_exactly_where_the_mask_has_a_class(page: Page, server_url: str) -> None:
    ids = mask_over_http(server_url, (SAMPLES / "astronaut.jpg").read_bytes())
    choose_sample(page)
    photo, overlay = at_opacity(page, 0), at_opacity(page, 60)
    assert overlay.shape[:2] == ids.shape
    changed = (photo != overlay).any(axis=2)
    assert changed[ids == PERSON].mean() > 0.99
    assert not changed[ids == 0].any()


def test_mask_view_has_the_colours_of_the_classes(page: Page, server_url: str) -> None:
    ids = mask_over_http(server_url, (SAMPLES / "astronaut.jpg").read_bytes())
    choose_sample(page)
    page.check("[name=view][value=mask]")
    drawn = canvas(page)
    assert (drawn[ids == PERSON] == (*voc_palette()[PERSON], 255)).all()
    assert (drawn[ids == 0] == 0).all()


def test_cutout_view_keeps_the_photo_of_the_classes(page: Page, server_url: str) -> None:
    ids = mask_over_http(server_url, (SAMPLES / "astronaut.jpg").read_bytes())
    choose_sample(page)
    photo = at_opacity(page, 0)
    page.check("[name=view][value=cutout]")
    cutout = canvas(page)
    assert (cutout[ids == PERSON] == photo[ids == PERSON]).all()
    assert (cutout[ids == 0][:, 3] == 0).all()


def test_opacity_changes_the_pixels_step_by_step(page: Page, server_url: str) -> None:
    person = mask_over_http(server_url, (SAMPLES / "astronaut.jpg").read_bytes()) == PERSON
    choose_sample(page)
    photo = at_opacity(page, 0)
    weak, strong = (np.abs(at_opacity(page, percent) - photo)[person].mean() for percent in (30, 80))
    assert 0 < weak < strong


def test_hover_names_the_class_and_marks_its_row(page: Page, server_url: str) -> None:
    ids = mask_over_http(server_url, (SAMPLES / "astronaut.jpg").read_bytes())
    choose_sample(page)
    point_at(page, ids, PERSON)
    expect(page.locator("#pointer")).to_have_text("person")
    expect(page.locator(".is-pointed .legend-name")).to_have_text("person")
    page.mouse.move(5, 5)
    expect(page.locator("#pointer")).to_be_hidden()


def test_legend_hides_isolates_and_resets(page: Page, server_url: str) -> None:
    ids = choose_person_and_cat(page, server_url)
    photo, overlay = at_opacity(page, 0), at_opacity(page, 60)
    row = page.locator(f"[data-class-id='{PERSON}']")

    row.locator(".legend-main").click()
    expect(row.locator(".legend-main")).to_have_attribute("aria-pressed", "false")
    page.mouse.move(5, 5)
    assert (canvas(page)[ids == PERSON] == photo[ids == PERSON]).all()

    row.get_by_label("Show only person").click()
    page.mouse.move(5, 5)
    alone = canvas(page)
    assert (alone[ids == PERSON] == overlay[ids == PERSON]).all()
    assert (alone[ids != PERSON] == photo[ids != PERSON]).all()

    page.click("#reset")
    assert (canvas(page) == overlay).all()
    expect(page.locator("#reset")).to_be_hidden()


def test_picture_with_orientation_is_shown_upright(page: Page) -> None:
    stored = np.zeros((60, 100, 3), np.uint8)
    stored[:, :50] = (250, 20, 20)  # the left half as stored becomes the upper half
    exif = Image.Exif()
    exif[0x0112] = 6
    choose_file(page, jpeg(stored, exif=exif, quality=95))
    page.wait_for_selector(RESULT, timeout=WAIT)
    expect(page.locator("#facts")).to_contain_text("60 × 100 px")
    expect(page.locator("#note")).to_be_hidden()
    drawn = at_opacity(page, 0)
    assert drawn.shape == (100, 60, 4)
    assert drawn[20, 30, 0] > 200
    assert drawn[80, 30, 0] < 60


def test_kind_of_file_that_the_browser_cannot_show_still_gets_its_mask(page: Page) -> None:
    file = io.BytesIO()
    with Image.open(SAMPLES / "astronaut.jpg") as picture:
        picture.save(file, "TIFF")
    choose_file(page, file.getvalue(), "photo.tiff", "image/tiff")
    page.wait_for_selector(RESULT, timeout=WAIT)
    expect(page.locator("#note")).to_contain_text("cannot show")
    assert (canvas(page)[:, :, 3] > 0).any()


# ---------------------------------------------------------------- other tasks


def test_foreground_is_drawn_as_softly_as_its_alpha(page: Page) -> None:
    alpha = np.tile(np.array([0, 0, 51, 102, 153, 204, 255, 255], np.uint8), (4, 1))
    ids = (alpha >= 128).astype(np.uint8)
    classes = [
        {"id": 0, "name": "background", "color": "#000000", "pixels": 16, "share": 0.5, "box": [0, 0, 4, 4]},
        {"id": 1, "name": "person", "color": "#00ff00", "pixels": 16, "share": 0.5, "box": [4, 0, 8, 4]},
    ]
    palette = [found["color"] for found in classes]
    model = {"name": "soft", "task": "foreground", "labels": ["background", "person"], "palette": palette}
    fake_answer(page, model, {"task": "foreground", "classes": classes, "mask": inline(ids), "alpha": inline(alpha)})

    assert page.locator(".legend-name").all_text_contents() == ["person", "background"]
    photo, overlay = at_opacity(page, 0), at_opacity(page, 100)
    share = alpha[:, :, None] / 255
    expected = photo[:, :, :3] * (1 - share) + np.array([0, 255, 0]) * share
    assert np.abs(overlay[:, :, :3] - expected).max() <= 3
    point_at(page, alpha, 102)
    expect(page.locator("#pointer")).to_have_text("person 40 %")


def test_classification_lists_the_likeliest_names(page: Page) -> None:
    model = {"name": "names", "task": "classification", "labels": ["cat", "dog"], "palette": ["#000000", "#800000"]}
    top = [{"name": "dog", "score": 0.9}, {"name": "cat", "score": 0.1}]
    fake_answer(page, model, {"task": "classification", "top": top})
    assert page.locator(".legend-name").all_text_contents() == ["dog", "cat"]
    assert page.locator(".legend-share").all_text_contents() == ["90.0 %", "10.0 %"]
    expect(page.locator("#slider")).to_be_hidden()
    expect(page.locator("#downloads")).to_be_hidden()


# ---------------------------------------------------------------- other ways in, and out


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_picture_may_be_dropped_or_pasted(page: Page, event: str) -> None:
    script = """async ([event, encoded]) => {
        const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "given.jpg", { type: "image/jpeg" }));
        const given = event === "drop" ? new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent(event, { clipboardData: data, bubbles: true, cancelable: true });
        document.body.dispatchEvent(given);
    }"""
    page.evaluate(script, [event, base64.b64encode((SAMPLES / "chelsea.jpg").read_bytes()).decode()])
    page.wait_for_selector(RESULT, timeout=WAIT)
    expect(page.locator("#facts")).to_contain_text("451 × 300 px")


def test_drop_without_a_file_says_what_to_do(page: Page) -> None:
    script = """() => {
        const data = new DataTransfer();
        data.setData("text/uri-list", "http://example.org/cat.jpg");
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(script)
    expect(page.locator("#problem .cure")).to_contain_text("Save the picture first")


def test_broken_file_shows_the_cure(page: Page, server_url: str) -> None:
    broken = b"this is not a picture"
    request = urllib.request.Request(f"{server_url}/v1/segment", data=broken, method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as answer:
        said = json.load(answer)
    choose_file(page, broken)
    problem = page.locator("#problem")
    expect(problem.locator("h2")).to_have_text(said["title"], timeout=WAIT)
    expect(problem).to_contain_text(said["detail"])
    expect(problem.locator(".cure")).to_have_text(said["cure"])
    expect(page.locator("#answer")).to_be_hidden()
    choose_sample(page)  # and the page goes on
    expect(problem).to_be_hidden()


def test_silent_server_is_told_and_may_be_tried_again(page: Page) -> None:
    page.route("**/v1/segment?*", lambda route: route.abort())
    page.click("[data-sample='astronaut.jpg']")
    expect(page.locator("#problem h2")).to_have_text("No answer from the server")
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(RESULT, timeout=WAIT)


def test_new_picture_cancels_the_former_request(page: Page) -> None:
    held: list[Route] = []
    page.route("**/v1/segment?*", lambda route: held.append(route) if not held else route.continue_())
    with page.expect_event("requestfailed", lambda request: "/v1/segment" in request.url):
        page.click("[data-sample='astronaut.jpg']")
        expect(page.locator("#busy")).to_be_visible()
        expect(page.locator("#busy-text")).to_contain_text("Segmenting")
        page.click("[data-sample='chelsea.jpg']")
    page.wait_for_selector(RESULT, timeout=WAIT)
    expect(page.locator("#facts")).to_contain_text("451 × 300 px")
    expect(page.locator("#busy")).to_be_hidden()


def test_request_may_be_cancelled(page: Page) -> None:
    page.route("**/v1/segment?*", lambda route: None)
    page.click("[data-sample='astronaut.jpg']")
    page.click("#cancel")
    expect(page.locator("#problem h2")).to_have_text("Cancelled")
    expect(page.locator("#busy")).to_be_hidden()


def test_keyboard_alone_takes_a_sample_and_hides_a_class(page: Page) -> None:
    page.focus("[data-sample='astronaut.jpg']")
    page.keyboard.press("Enter")
    page.wait_for_selector(RESULT, timeout=WAIT)
    assert page.evaluate("document.activeElement.dataset.sample") == "astronaut.jpg"
    expect(page.locator("#status")).to_contain_text("found person")
    row = page.locator(f"[data-class-id='{PERSON}'] .legend-main")
    row.focus()
    page.keyboard.press("Space")
    expect(row).to_have_attribute("aria-pressed", "false")


# ---------------------------------------------------------------- downloads


def saved(page: Page, format: str) -> tuple[str, bytes]:
    with page.expect_download(timeout=WAIT) as download:
        page.click(f"#downloads [data-format={format}]")
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_downloaded_mask_is_what_the_api_gives(page: Page, server_url: str) -> None:
    choose_sample(page)
    name, data = saved(page, "mask")
    ids = ids_of(data)
    assert name == "astronaut-mask.png"
    assert ids.shape == (512, 512)
    assert (ids == mask_over_http(server_url, (SAMPLES / "astronaut.jpg").read_bytes())).all()


@pytest.mark.parametrize(("format", "mode"), [("overlay", "RGB"), ("cutout", "RGBA")])
def test_downloaded_picture_has_the_size_of_the_photo(page: Page, format: str, mode: str) -> None:
    choose_sample(page, "grace_hopper.jpg")
    name, data = saved(page, format)
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.size, picture.mode) == ((437, 512), mode)
        assert name == f"grace_hopper-{format}.{ {'PNG': 'png', 'JPEG': 'jpg'}[picture.format or ''] }"


def test_download_holds_only_the_shown_classes(page: Page, server_url: str) -> None:
    ids = choose_person_and_cat(page, server_url)
    page.locator(f"[data-class-id='{PERSON}']").get_by_label("Show only person").click()
    expect(page.locator("#download-scope")).to_have_text("person")
    _, data = saved(page, "mask")
    assert (ids_of(data) == np.where(ids == PERSON, PERSON, 0)).all()


# ---------------------------------------------------------------- reading PNG


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_indexed_png_gives_its_ids(page: Page, bits: int) -> None:
    ids = np.random.default_rng(bits).integers(0, 2**bits, (13, 21), dtype=np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette([value for colour in voc_palette() for value in colour])
    file = io.BytesIO()
    picture.save(file, "PNG", bits=bits)
    assert (read_in_browser(page, file.getvalue()) == ids).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png_gives_its_levels(page: Page, dtype: type[np.unsignedinteger]) -> None:
    across = np.arange(0, 250 * 300, dtype=np.int64).reshape(250, 300)  # smooth, so that all row filters occur
    levels = (across * across // 7 % np.iinfo(dtype).max).astype(dtype)
    assert (read_in_browser(page, png(levels)) == levels).all()


def read_in_browser(page: Page, data: bytes) -> NDArray[np.int64]:
    script = """async (encoded) => {
        const { readPng } = await import("/static/png.js");
        const found = await readPng(Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)));
        return [found.width, found.height, Array.from(found.values)];
    }"""
    width, height, values = page.evaluate(script, base64.b64encode(data).decode())
    return np.array(values).reshape(height, width)


# ---------------------------------------------------------------- reference of the API


def test_docs_list_the_operations_and_send_one(watched: tuple[Page, Watch], server_url: str) -> None:
    page, watch = watched
    page.goto(f"{server_url}/docs")
    segment = page.locator("#post-v1-segment")
    expect(segment.locator("h3")).to_contain_text("/v1/segment")
    expect(segment.locator("table")).to_contain_text("classes")
    expect(segment.locator(".example")).to_contain_text("--data-binary @photo.jpg")
    expect(page.locator("#contents")).to_contain_text("/v1/segment")
    models = page.locator("#get-v1-models")
    models.locator("summary", has_text="Try it").click()
    models.locator("button", has_text="Send").click()
    expect(models.locator(".try-result")).to_contain_text("200 OK")
    expect(models.locator(".try-result")).to_contain_text('"default"')
    assert watch.errors == []
    assert watch.foreign == []


def test_models_that_only_answer_clicks_are_not_offered(page: Page, server_url: str) -> None:
    page.goto(server_url)
    page.wait_for_function("document.querySelectorAll('#model option').length > 1")
    offered = page.locator("#model option").evaluate_all("options => options.map((option) => option.value)")
    assert {"everyday", "objects"} <= set(offered)
    assert "prompt" not in offered


def test_docs_segment_a_file(page: Page, server_url: str) -> None:
    page.goto(f"{server_url}/docs")
    segment = page.locator("#post-v1-segment")
    segment.locator("summary", has_text="Try it").click()
    segment.locator("select").filter(has_text="overlay").select_option("overlay")
    segment.locator("input[type=file]").set_input_files(SAMPLES / "chelsea.jpg")
    segment.locator("button", has_text="Send").click()
    expect(segment.locator(".try-result")).to_contain_text("200 OK", timeout=WAIT)
    expect(segment.locator(".try-result img")).to_have_js_property("naturalWidth", 451)
