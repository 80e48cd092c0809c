import pytest

from spotlet.text.credentials import hide_credentials, needs_encoding, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:secret@10.0.0.7:554/door", "rtsp://10.0.0.7:554/door"),
        ("rtsp://user@10.0.0.7:554/door", "rtsp://10.0.0.7:554/door"),
        ("rtsp://user:se@cret@host/door", "rtsp://host/door"),
        ("rtsp://user:se/cret@host/door", "rtsp://host/door"),
        ("rtsp://user:12/secret@host/door", "rtsp://host/door"),
        ("rtsp://user:123#secret@host:8/door", "rtsp://host:8/door"),
        ("rtsp:///user:secret@host/door", "rtsp:///host/door"),
        ("rtsp://host:554/door@2", "rtsp://host:554/door@2"),
        ("rtsp://host/door@2", "rtsp://host/door@2"),
        ("rtsp://[::1]:554/door@2", "rtsp://[::1]:554/door@2"),
        ("http://host/v?ch=1&password=secret&x=2", "http://host/v?ch=1&password=***&x=2"),
        ("http://host/v?password=se/cret&x=2", "http://host/v?password=***&x=2"),
        ("http://host/v?apiToken=secret#top", "http://host/v?apiToken=***#top"),
        ("http://host/v?u=secret&p=secret&q=1", "http://host/v?u=***&p=***&q=1"),
        ("http://host/v?%70wd=secret", "http://host/v?%70wd=***"),
        ("http://host/v?X-Amz-Signature=secret", "http://host/v?X-Amz-Signature=***"),
        ("http://host/v#token=secret", "http://host/v#token=***"),
        ("http://host/v?next=http://u:secret@other/", "http://host/v?next=http://other/"),
        (
            "rtsp://host/user=viewer_password=se_cret_channel=1.sdp?real",
            "rtsp://host/user=***_password=***_channel=1.sdp?real",
        ),
        ("rtsp://host/user=viewer&password=secret&ch=1", "rtsp://host/user=***&password=***&ch=1"),
        ("rtsp://host/token=secret/users/1", "rtsp://host/token=***/users/1"),
        ("rtsp://host/cam/realmonitor?channel=1&subtype=0", None),
        ("rtsp://host:8554/Streaming/Channels/101", None),
        ("http://host/a_b_c.mjpg?resolution=640x480&compression=25", None),
    ],
)
def test_credentials_are_taken_out_of_a_url(url: str, shown: str | None) -> None:
    assert without_credentials(url) == (url if shown is None else shown)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://u:secret@a: no such file, folder or bundled model",
        "http:/u:secret@h/x: no such file or folder",
        "admin:secret@10.0.0.1/door: no such file or folder",
        "argument --max-fps: invalid float value: 'rtsp://u:secret@h/'",
        "run.toml: source ['rtsp://u:secret@h']: must be text",
        "run.toml: source {'url': 'rtsp://u:secret@h/'}: must be text",
        "no such option: --what=rtsp://u:secret@h/x?token=secret",
    ],
)
def test_a_message_gives_no_credential_away(text: str) -> None:
    hidden = hide_credentials(text)
    assert "secret" not in hidden
    assert len(hidden) > 10


@pytest.mark.parametrize(
    "text",
    [
        "clip.mp4: no such file or folder",
        "model.onnx: tensor 'boxes' is float [1, 2], the manifest wants [N, 4]",
        "a/b=c/d.mp4: ended after 3 of 4 frames; the file is cut short",
        "12:30:00 mail me@example.org",
    ],
)
def test_a_message_without_any_stays_as_it_is(text: str) -> None:
    assert hide_credentials(text) == text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://user:secret@host/door", False),
        ("rtsp://user:se:cret@host/door", False),
        ("rtsp://user:se%40cret@host:554/door@2", False),
        ("rtsp://host/door@2", False),
        ("rtsp://user:se@cret@host/door", True),
        ("rtsp://user:se/cret@host/door", True),
        ("rtsp://user:se#cret@host:8/door", True),
        ("rtsp://user:12/secret@host/door", True),
        ("rtsp://user:50%@host/door", True),
        ("0", False),
        ("a@b.mp4", False),
    ],
)
def test_a_password_that_ends_the_user_info_needs_encoding(url: str, expected: bool) -> None:
    assert needs_encoding(url) is expected
