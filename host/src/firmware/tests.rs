//! The catalogue over real files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;

use super::*;
use crate::config::Firmware;

/// `sha256sum` of the two texts, computed by that program.
const ONE: &str = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
const TWO: &str = "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4";

fn image(folder: &Path, matches: &str, model: Option<&str>, name: &str, sha256: &str) -> Image {
    Image {
        matches: matches.to_owned(),
        model: model.map(str::to_owned),
        component: "bios".to_owned(),
        version: name.to_owned(),
        sha256: sha256.to_owned(),
        file: folder.join(name),
        requires: Vec::new(),
        released: None,
    }
}

async fn open(folder: &Path, image: Vec<Image>) -> Result<Catalogue, CatalogueError> {
    let config = Config { state_dir: folder.to_owned(), firmware: Some(Firmware { image }), ..Config::default() };
    Catalogue::open(&config).await
}

#[tokio::test]
async fn every_file_is_read_and_must_have_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("one"), "first").unwrap();
    std::fs::write(at.join("two"), "second").unwrap();
    let good = vec![image(at, "hpe", None, "one", ONE), image(at, "dell", None, "two", TWO)];
    let catalogue = open(at, good.clone()).await.unwrap();
    assert_eq!(catalogue.of(Some("hpe-ilo"), None)[0].name(), "one");
    assert!(catalogue.by_digest(TWO).unwrap().unchanged() && catalogue.of(Some("redfish"), None).is_empty());
    std::fs::write(at.join("two"), "changed").unwrap();
    assert!(!catalogue.by_digest(TWO).unwrap().unchanged(), "a file that changed is not served as it was");
    let both = [good, vec![image(at, "*", None, "three", ONE)]].concat();
    let Err(CatalogueError::Problems(problems)) = open(at, both).await else { panic!("it is wrong twice") };
    let told: Vec<_> = problems.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(told, ["firmware.image[1].sha256", "firmware.image[2].file"], "all of it, by field");
    assert!(problems[0].text.contains(TWO) && !problems[0].hint.is_empty());
}

#[tokio::test]
async fn the_catalogue_dates_a_version_that_does_not_say_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("1.66"), "first").unwrap();
    let released = Image { released: Some("2024-05-17".to_owned()), ..image(at, "hpe", None, "1.66", ONE) };
    let catalogue = open(at, vec![released]).await.unwrap();
    let facts = |driver: &str| Facts { driver: Some(driver.to_owned()), ..Facts::default() };
    let day = |driver: &str, component: &str, version: &str| {
        catalogue.dates(&facts(driver)).of(component, version).map(|at| at.0 / 86_400_000)
    };
    assert_eq!(day("hpe-ilo", "bios", "1.66"), Some(19_860));
    assert_eq!(day("hpe-ilo", "bios", "1.65 (05/18/2024)"), Some(19_861), "another version, by its own date");
    assert_eq!((day("dell-idrac", "bios", "1.66"), day("hpe-ilo", "bmc", "1.66")), (None, None));
}

#[tokio::test]
async fn a_digest_is_remembered_while_size_and_time_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("one"), "first").unwrap();
    open(at, vec![image(at, "*", None, "one", ONE)]).await.unwrap();
    let cache = at.join("firmware-digests.json");
    let text = std::fs::read_to_string(&cache).unwrap();
    std::fs::write(&cache, text.replace(ONE, TWO)).unwrap();
    assert!(open(at, vec![image(at, "*", None, "one", TWO)]).await.is_ok(), "the cache is asked, not the file");
    std::fs::write(&cache, "no json").unwrap();
    assert!(open(at, vec![image(at, "*", None, "one", ONE)]).await.is_ok(), "a broken cache is none");
}

#[tokio::test]
async fn the_most_exactly_named_image_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for name in ["any", "vendor", "model"] {
        std::fs::write(at.join(name), "first").unwrap();
    }
    let images = vec![
        image(at, "*", None, "any", ONE),
        image(at, "hpe", Some("ProLiant DL360"), "model", ONE),
        image(at, "hpe", None, "vendor", ONE),
    ];
    let catalogue = open(at, images).await.unwrap();
    let taken = |driver, model| catalogue.of(Some(driver), Some(model))[0].image.version.clone();
    assert_eq!(taken("hpe-ilo", "ProLiant DL360 Gen10"), "model");
    assert_eq!(taken("hpe-ilo", "ProLiant DL380 Gen10"), "vendor");
    assert_eq!(taken("redfish", "R650"), "any");
}
