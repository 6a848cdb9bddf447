use super::*;

fn table() -> ReviewedTable {
    ReviewedTable::built_in().unwrap()
}

#[test]
fn the_table_is_written_as_it_is_read() {
    assert_eq!(table().text(), TABLE);
}

#[test]
fn every_place_is_reviewed() {
    let writers = ["device", "cpu", "device or cpu", "process", "depends", "reads", "nobody"];
    for row in table().rows {
        assert!(!row.review.is_missing(), "{}: nobody has read this code yet", row.place);
        assert!(writers.contains(&row.review.writer.as_str()), "{}: {:?}", row.place, row.review.writer);
        assert!(["yes", "no"].contains(&row.review.mode.as_str()), "{}: {:?}", row.place, row.review.mode);
    }
}

#[test]
fn places_that_write_show_a_hazard_and_places_that_only_read_do_not_map_for_writing() {
    for row in table().rows {
        let ReviewedPlace { place, review } = &row;
        if place.kind == SiteKind::Queue {
            let writes = place.direction != Some(DmaDirection::ToDevice);
            assert_eq!(review.hazards, if writes { vec!["H-1"] } else { vec![] }, "{place}");
        }
        if review.writer == "process" && place.kind == SiteKind::Mmap {
            assert_eq!(review.hazards, ["H-6"], "{place}");
        }
    }
}

#[test]
fn the_hazards_are_counted_by_subsystem() {
    let words = table().alike_in_words("h-1").unwrap();
    assert!(
        words.ends_with(&format!(" places in Linux {}: media {}", table().kernel, table().alike("H-1").len())),
        "{words}"
    );
    assert_eq!(table().alike_in_words("R-1"), None);
}

#[test]
fn another_tree_keeps_the_reviews_of_places_that_are_the_same() {
    let table = table();
    let mut places = table.places();
    places[0].line += 100;
    places[1].detail += " changed";
    let gone = places.pop().unwrap();
    places.push(CallSite { function: "fresh".into(), ..gone });
    let census = Census { version: "7.3.0".into(), origin: String::new(), searched: 0, parsed: 0, places };
    let next = table.for_census(&census);
    let missing: Vec<bool> = next.rows.iter().map(|row| row.review.is_missing()).collect();
    let expected: Vec<bool> = (0..missing.len()).map(|index| index == 1 || index == missing.len() - 1).collect();
    assert_eq!((next.kernel.as_str(), missing), ("7.3.0", expected));
    assert_eq!((next.rows[0].place.line, &next.rows[0].review), (places_line(&table) + 100, &table.rows[0].review));
}

fn places_line(table: &ReviewedTable) -> usize {
    table.rows[0].place.line
}

#[test]
fn an_invalid_line_is_named() {
    let text = format!("# kernel: 7.2\n{HEADER}\nmap\tdma_buf_get\n");
    let error = ReviewedTable::parse(&text).unwrap_err().to_string();
    assert!(error.contains("is invalid in line 3: map"), "{error}");
    assert!(ReviewedTable::parse("").is_err() && ReviewedTable::parse("# kernel: 1\nkind\n").is_err());
}
