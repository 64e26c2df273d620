use std::io::Read as _;

use axum::http::HeaderValue;

use super::*;

#[test]
fn every_part_that_the_page_asks_for_is_there_and_none_is_of_somebody_else() {
    for part in PARTS {
        for (at, _) in part.text.match_indices("://") {
            let whose = part.text.get(at.saturating_sub(20)..at + 14).unwrap_or_default();
            assert!(
                whose.contains("http://www.w3.org/") || whose.contains("${one.protocol}://"),
                "{}: {whose}",
                part.name
            );
        }
    }
    let frame = PARTS[0].text;
    for asked in frame.split('"').filter_map(|word| word.strip_prefix("page/")) {
        assert_eq!(answer(asked, &HeaderMap::new()).status(), StatusCode::OK, "{asked}");
    }
    for script in PARTS.iter().filter(|part| part.kind == SCRIPT) {
        for asked in script.text.split('"').filter_map(|word| word.strip_prefix("./")) {
            assert!(frame.contains(&format!("page/{asked}")), "{asked} is loaded late");
        }
        for way in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "DOMParser", "srcdoc"] {
            assert!(!script.text.contains(way), "{}: {way}: text is made of text", script.name);
        }
    }
    assert!(!frame.contains("style=") && !frame.contains("onload=") && !frame.contains("<style"), "nothing is inline");
}

#[test]
fn a_part_is_sent_once_and_with_what_keeps_it_harmless() {
    let first = answer("page.js", &HeaderMap::new());
    assert_eq!(first.headers()[header::CONTENT_SECURITY_POLICY], CONTENT_SECURITY_POLICY);
    assert_eq!(first.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let mut known = HeaderMap::new();
    known.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
    assert_eq!(answer("page.js", &known).status(), StatusCode::NOT_MODIFIED);
    let mut takes_gzip = HeaderMap::new();
    takes_gzip.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    takes_gzip.insert(header::IF_NONE_MATCH, answer("page.js", &takes_gzip).headers()[header::ETAG].clone());
    let unchanged = answer("page.js", &takes_gzip);
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert!(unchanged.headers().get(header::CONTENT_ENCODING).is_none() && body(unchanged).is_empty());
    known.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"of another version\""));
    assert_eq!(answer("page.js", &known).status(), StatusCode::OK);
    assert_eq!(answer("other.js", &known).status(), StatusCode::NOT_FOUND);
}

/// The bytes of an answer.
fn body(answer: Response) -> Vec<u8> {
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body).unwrap().to_vec()
}

#[test]
fn browsers_that_take_gzip_get_the_same_parts_in_fewer_bytes() {
    let mut asked = HeaderMap::new();
    asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
    let (mut plain, mut squeezed) = (0, 0);
    for part in PARTS {
        let (as_it_is, small) = (answer(part.name, &HeaderMap::new()), answer(part.name, &asked));
        for (which, coding) in [(&as_it_is, None), (&small, Some("gzip"))] {
            let headers = which.headers();
            assert_eq!(headers.get(header::CONTENT_ENCODING).map(|it| it.to_str().unwrap()), coding, "{}", part.name);
            assert_eq!(headers[header::VARY], "Accept-Encoding");
            assert_eq!(headers[header::CONTENT_TYPE], part.kind);
        }
        assert_ne!(as_it_is.headers()[header::ETAG], small.headers()[header::ETAG], "other bytes");
        let (as_it_is, small) = (body(as_it_is), body(small));
        let mut unfolded = String::new();
        flate2::read::GzDecoder::new(&small[..]).read_to_string(&mut unfolded).unwrap();
        assert_eq!((unfolded.as_bytes(), part.text), (&as_it_is[..], unfolded.as_str()), "{}", part.name);
        (plain, squeezed) = (plain + as_it_is.len(), squeezed + small.len());
    }
    assert!(plain < 80 * 1024 && squeezed < 28 * 1024, "{plain} bytes, {squeezed} squeezed");
}
