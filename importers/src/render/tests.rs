use super::*;
use crate::direction::DmaDirection;
use crate::site::SiteKind;

fn place(kind: SiteKind, file: &str, function: &str, what: &str, direction: Option<DmaDirection>) -> CallSite {
    let (file, function, what) = (file.into(), function.into(), what.into());
    CallSite { kind, what, file, function, line: 7, direction, detail: String::new() }
}

fn census(version: &str, places: Vec<CallSite>) -> Census {
    Census { version: version.into(), origin: "a tarball <x>".into(), searched: 9, parsed: 2, places }
}

/// One reviewed place that is still there, one that is gone, one that has another direction; and one that is new.
fn sample() -> (Census, ReviewedTable) {
    let map = |direction| place(SiteKind::Map, "drivers/misc/a.c", "a_map", "dma_buf_map_attachment", Some(direction));
    let get = place(SiteKind::Get, "drivers/misc/a.c", "a_get", "dma_buf_get", None);
    let queue = place(SiteKind::Queue, "drivers/media/q.c", "q_init", "vb2_queue_init", Some(DmaDirection::FromDevice));
    let gone = place(SiteKind::Vmap, "drivers/misc/b.c", "b_vmap", "dma_buf_vmap", None);
    let before = census("7.2.1", vec![get.clone(), map(DmaDirection::ToDevice), gone]);
    let mut table = ReviewedTable { kernel: "7.2.1".into(), rows: Vec::new() }.for_census(&before);
    for row in &mut table.rows {
        let text = |text: &str| text.to_string();
        row.review = Review {
            writer: text("device"),
            mode: text("no"),
            reached: text("A_IOCTL"),
            hazards: vec![text("H-3")],
            note: text("<b>"),
        };
    }
    (census("7.3.0", vec![get, map(DmaDirection::Bidirectional), queue]), table)
}

#[test]
fn every_format_shows_places_and_changes() {
    let (census, table) = sample();
    let made = CensusReport::new(&census, &table);
    assert_eq!(made.exit_code(), ExitCode::Unreviewed);
    insta::assert_snapshot!("text", report(&made, CensusFormat::Text).unwrap());
    insta::assert_snapshot!("markdown", report(&made, CensusFormat::Markdown).unwrap());
    insta::assert_snapshot!("json", report(&made, CensusFormat::Json).unwrap());
    let page = report(&made, CensusFormat::Html).unwrap();
    assert!(page.contains("a tarball &lt;x&gt;") && page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
    assert!(page.contains("<td>gone</td>") && page.contains("not reviewed") && !page.contains("http"), "{page}");
}

#[test]
fn a_census_like_the_table_is_as_expected() {
    let (census, table) = sample();
    let table = table.for_census(&census);
    let made = CensusReport::new(&census, &table);
    assert_eq!(made.exit_code(), ExitCode::AsExpected);
    assert!(report(&made, CensusFormat::Text).unwrap().contains("all places are in the reviewed table of Linux 7.3.0"));
}

#[test]
fn a_comparison_shows_the_numbers_of_both_kernels() {
    let (after, table) = sample();
    let before = census("6.1.9", table.places());
    let made = Comparison::new(&before, &after);
    insta::assert_snapshot!("comparison", comparison(&made, CensusFormat::Text).unwrap());
    let markdown = comparison(&made, CensusFormat::Markdown).unwrap();
    assert!(markdown.contains("| calls that map into the kernel | 1 | 0 |"), "{markdown}");
    let json: serde_json::Value = serde_json::from_str(&comparison(&made, CensusFormat::Json).unwrap()).unwrap();
    assert_eq!(
        (&json["schema"], json["changes"]["changed"].as_array().map(Vec::len)),
        (&serde_json::json!(1), Some(1))
    );
    assert!(comparison(&made, CensusFormat::Html).unwrap().contains("<th>6.1.9</th>"));
}
