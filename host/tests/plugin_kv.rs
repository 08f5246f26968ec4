//! A plugin's values: private to it and one server, few and small, gone with nobody's help when they expire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use farrier::plugin::wit::kv::KvError;
use farrier::plugin::{Drawer, Kv};

type Kept = (Vec<u8>, Option<Duration>);

#[derive(Default)]
struct Map(Mutex<BTreeMap<String, Kept>>);

#[async_trait]
impl Kv for Map {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.lock().unwrap().get(key).map(|(value, _)| value.clone()))
    }

    async fn set(&self, key: &str, value: Option<&[u8]>, ttl: Option<Duration>) -> Result<(), String> {
        let mut map = self.0.lock().unwrap();
        match value {
            Some(value) => map.insert(key.to_owned(), (value.to_vec(), ttl)),
            None => map.remove(key),
        };
        Ok(())
    }

    async fn count(&self, prefix: &str) -> Result<usize, String> {
        Ok(self.0.lock().unwrap().keys().filter(|key| key.starts_with(prefix)).count())
    }
}

#[tokio::test]
async fn limits_and_walls() {
    let map = Arc::new(Map::default());
    let server: farrier_lifecycle::ServerId = "94:40:c9:00:00:01".parse().unwrap();
    let other: farrier_lifecycle::ServerId = "94:40:c9:00:00:02".parse().unwrap();
    let mine = Drawer::new(Arc::clone(&map) as Arc<dyn Kv>, "redfish", &server);
    mine.set("etag", b"1", Some(60)).await.unwrap();
    assert_eq!(mine.get("etag").await.unwrap().unwrap(), b"1");
    assert_eq!(map.0.lock().unwrap().values().next().unwrap().1, Some(Duration::from_mins(1)));
    for (plugin, server) in [("redfish", &other), ("hpe-ilo", &server)] {
        let theirs = Drawer::new(Arc::clone(&map) as Arc<dyn Kv>, plugin, server);
        assert_eq!(theirs.get("etag").await.unwrap(), None);
    }
    assert_eq!(mine.set("big", &[0; 4097], None).await, Err(KvError::TooLarge(4096)));
    assert_eq!(mine.get(&"k".repeat(129)).await, Err(KvError::TooLarge(128)));
    for number in 1..64 {
        mine.set(&format!("k{number}"), b"v", None).await.unwrap();
    }
    assert_eq!(mine.set("one-more", b"v", None).await, Err(KvError::Full));
    mine.set("etag", b"2", None).await.unwrap();
    mine.delete("k1").await.unwrap();
    mine.set("one-more", b"v", None).await.unwrap();
}
