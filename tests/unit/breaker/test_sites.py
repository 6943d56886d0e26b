"""Pure tests of which site a URL belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.breaker.sites import endpoint_of, site_of, site_of_endpoint


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.youtube.com/watch?v=x", "youtube.com"),
        ("https://YouTube.com./watch?v=x", "youtube.com"),
        ("https://m.youtube.com:443/watch", "youtube.com"),
        ("https://youtu.be/x", "youtube.com"),
        ("https://www.youtube-nocookie.com/embed/x", "youtube.com"),
        ("https://youtube.com@evil.test/", "evil.test"),
        ("https://news.bbc.co.uk/", "bbc.co.uk"),
        ("https://co.uk/", "co.uk"),
        ("https://one.github.io/", "one.github.io"),
        ("https://www.bücher.de/", "xn--bcher-kva.de"),
        ("https://www.xn--bcher-kva.de/", "xn--bcher-kva.de"),
        ("http://localhost:8080/", "localhost"),
        ("http://127.0.0.1:8080/", "127.0.0.1"),
        ("http://[2001:DB8:0::1]/", "2001:db8::1"),
        ("", ""),
        ("no url", ""),
        ("http://[::1", ""),
        ("https://a..b/", ""),
        ("https://" + "a" * 64 + ".test/", ""),
        ("https://white space.test/", ""),
        ("https://" + "a." * 200 + "test/", ""),
        ("https://./", ""),
    ],
)
def test_the_site_of_a_url(url: str, site: str) -> None:
    assert site_of(url) == site


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://www.example.com/", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("https://youtu.be/x", "youtube.com"),
        ("https://m.youtube.com/x", "youtube.com"),
        ("https://www.youtube.com:8443/x", "youtube.com:8443"),
        ("http://example.com/", "example.com:80"),
        ("https://mail.example.com/", "mail.example.com"),
        ("https://one.github.io/", "one.github.io"),
        ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        ("https://[2001:db8::1]/", "2001:db8::1"),
        ("https://example.com:x/", ""),
        ("no url", ""),
    ],
)
def test_the_endpoint_of_a_url(url: str, endpoint: str) -> None:
    assert endpoint_of(url) == endpoint
    assert not endpoint or site_of_endpoint(endpoint) == site_of(url)


@given(
    st.text()
    | st.text().map(lambda text: f"https://{text}/")
    | st.binary().map(lambda b: b.decode("latin-1"))
)
def test_junk_never_raises(text: str) -> None:
    assert len(site_of(text)) <= 253
