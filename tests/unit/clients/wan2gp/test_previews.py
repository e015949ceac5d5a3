"""The picture in the HTML of a preview."""

from __future__ import annotations

import base64

import pytest

from movie_director.clients.wan2gp.previews import parse_preview


def test_the_picture_is_taken_out_of_the_html():
    text = base64.b64encode(b"\xff\xd8\xffpicture").decode()
    assert parse_preview(f"<img src='data:image/jpeg;base64,{text}'>") == (b"\xff\xd8\xffpicture", "image/jpeg")


@pytest.mark.parametrize(
    "html",
    [
        None,
        "",
        "<b>no picture</b>",
        "data:image/jpeg;base64,AAAA",
        "data:image/jpeg;base64,/9j/4",
        "data:image/jpeg;base64," + "A" * (9 * 1024 * 1024),
    ],
)
def test_what_holds_no_picture_is_none(html):
    assert parse_preview(html) is None
