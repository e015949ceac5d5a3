"""What a client is made with."""

from __future__ import annotations

import pytest

from movie_director.clients import Wan2GPClient, errors


@pytest.mark.parametrize("url", [None, 7, b"http://127.0.0.1:7860"])
def test_an_address_that_is_no_text_is_refused(url):
    with pytest.raises(errors.ValidationError) as caught:
        Wan2GPClient(url)
    assert caught.value.code == "invalid_url"
