#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const TODAY: Date = jiff::civil::date(2026, 11, 22);
const HEADER: &str = "purchase_order,serial,bmc_mac,warranty_start,warranty_end,site,model,received,ordered";

fn csv(lines: &str) -> Result<Vec<Row<Delivery>>, FileError> {
    parse(Path::new("d.csv"), &format!("{HEADER}\n{lines}"), true, TODAY)
}

fn problems(result: Result<Vec<Row<Delivery>>, FileError>) -> Vec<(usize, String)> {
    match result.unwrap_err() {
        FileError::Problems { problems, .. } => problems.into_iter().map(|one| (one.line, one.at)).collect(),
        FileError::Unreadable { .. } => panic!("the text was given"),
    }
}

#[test]
fn both_forms_say_the_same() {
    let from_csv = csv("PO-1,MXQ1,94:40:C9:00:00:01,2026-11-01,2029-10-31,ams,DL360,yes,2026-10-01").unwrap();
    let text = r#"
        [[delivery]]
        purchase_order = "PO-1"
        serial = "MXQ1"
        bmc_mac = "9440.c900.0001"
        warranty_start = 2026-11-01
        warranty_end = "2029-10-31"
        site = "ams"
        model = "DL360"
        received = true
        ordered = 2026-10-01"#;
    let from_toml = parse(Path::new("d.toml"), text, false, TODAY).unwrap();
    assert_eq!(from_csv[0].value, from_toml[0].value);
    assert_eq!((from_csv[0].line, from_toml[0].line), (2, 2));
    let one = &from_csv[0].value;
    assert_eq!((one.received, one.device().as_str(), one.age(TODAY)), (Some(TODAY), "MXQ1", Some(52)));
}

#[test]
fn every_problem_of_every_row_is_named_at_once() {
    let found = problems(csv(concat!(
        ",MXQ 1,nonsense,yesterday,,ams,DL360,,\n",
        "PO-1,MXQ2,94:40:c9:00:00:02,2026-11-01,2025-01-01,,DL360,maybe,\n",
        "PO-1,mxq3,94:40:c9:00:00:03,2026-11-01,,ams,DL360,no,\n",
        "PO-1,MXQ3,94:40:c9:00:00:03,2026-11-01,,ams,DL360,,",
    )));
    let expected = [
        (2, "bmc_mac"),
        (2, "purchase_order"),
        (2, "serial"),
        (2, "warranty_start"),
        (3, "received"),
        (3, "site"),
        (3, "warranty_end"),
        (5, "bmc_mac"),
        (5, "serial"),
    ];
    assert_eq!(found, expected.map(|(line, at)| (line, at.to_owned())));
}

#[test]
fn a_list_without_its_columns_or_rows_is_refused() {
    let of = |text: &str, is_csv| problems(parse(Path::new("d"), text, is_csv, TODAY));
    assert_eq!(of("serial,colour\nA,b", true).iter().filter(|(_, at)| at == "header").count(), 6);
    assert_eq!(of(HEADER, true), [(0, "the file".to_owned())]);
    assert_eq!(of("", false), [(0, "the file".to_owned())]);
    assert_eq!(of("[[server]]\nname = \"x\"", false), [(1, "server".to_owned())]);
    assert!(of("[[delivery]]\ncolour = \"red\"", false).contains(&(2, "colour".to_owned())));
}

#[test]
fn an_order_of_tomorrow_has_no_age() {
    let list = csv("PO-1,MXQ1,94:40:c9:00:00:01,2026-12-01,,ams,DL360,,").unwrap();
    assert_eq!(list[0].value.age(TODAY), None);
}
