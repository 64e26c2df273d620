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
    known.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"of another version\""));
    assert_eq!(answer("page.js", &known).status(), StatusCode::OK);
    assert_eq!(answer("other.js", &known).status(), StatusCode::NOT_FOUND);
}

#[test]
fn the_page_is_small() {
    let bytes: usize = PARTS.iter().map(|part| part.text.len()).sum();
    assert!(bytes < 80 * 1024, "{bytes}");
}
