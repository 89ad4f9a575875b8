//! Frames, whole, cut and broken.

use super::*;

fn head() -> Head {
    Head::request(Api::Produce, TenantId(7), 42)
}

fn frame(caller: &[u8], body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    head().put(caller.len() as u16, body.len(), &mut bytes);
    assert_eq!(bytes.len(), HEAD_BYTES);
    bytes.extend_from_slice(caller);
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn a_frame_comes_back_once_it_is_whole() {
    let whole = frame(b"who", b"what");
    for arrived in 0..whole.len() {
        let mut part = BytesMut::from(&whole[..arrived]);
        assert_eq!(take(&mut part), Ok(None));
        assert_eq!(part.len(), arrived, "nothing is taken before its time");
    }
    let mut buffer = whole.clone();
    buffer.extend_from_slice(&whole);
    let taken = take(&mut buffer).unwrap().unwrap();
    assert_eq!(
        (taken.head, &taken.caller[..], &taken.body[..]),
        (head(), &b"who"[..], &b"what"[..])
    );
    assert_eq!(buffer, whole, "the next frame is left");
}

#[test]
fn the_body_is_a_slice_of_the_buffer() {
    let mut buffer = frame(b"", &[9; 1000]);
    let at = buffer[HEAD_BYTES..].as_ptr();
    assert_eq!(take(&mut buffer).unwrap().unwrap().body.as_ptr(), at);
}

#[test]
fn broken_frames_are_refused_as_soon_as_they_show() {
    let too_long = (FRAME_BYTES_MAX as u32).to_be_bytes();
    assert_eq!(
        expected(&too_long),
        Err(FrameError::Length { length: FRAME_BYTES_MAX }),
        "before anything is allocated"
    );
    assert_eq!(expected(&[0xff; 4]), Err(FrameError::Length { length: u32::MAX as usize }));
    assert_eq!(expected(&[0, 0, 0, 19]), Err(FrameError::Length { length: 19 }));
    assert_eq!(expected(&[0, 0, 0, 20]), Ok(Some(HEAD_BYTES)));
    assert_eq!(expected(b"GET / HTTP/1.1"), Err(FrameError::Magic { magic: b'/' }));

    let mut unknown = frame(b"", b"");
    unknown[5] = 99;
    assert_eq!(take(&mut unknown), Err(FrameError::Kind { kind: 99 }));

    let mut overlong_caller = frame(b"who", b"");
    overlong_caller[23] = 4;
    assert_eq!(take(&mut overlong_caller), Err(FrameError::CallerLength { length: 4 }));
}

#[test]
fn only_an_exact_echo_is_an_answer() {
    let request = head();
    let answer = request.answered(Kind::Response);
    assert!(answer.echoes(&request));
    assert!(request.answered(Kind::Failed).echoes(&request));
    for foreign in [
        Head { tenant: TenantId(8), ..answer },
        Head { api_key: 1, ..answer },
        Head { api_version: 12, ..answer },
        Head { correlation: 43, ..answer },
    ] {
        assert!(!foreign.echoes(&request), "{foreign:?}");
    }
}
