use super::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Some(&dir.path().join("cache")))
        .unwrap()
        .announcing(&Progress::new(crate::host::progress::Mode::Quiet));
    (dir, store)
}

fn write(text: &'static str) -> impl Fn(&Path) -> Result<()> {
    move |dir| fs::write(dir.join("file"), text).map_err(|error| io(&error, "writing", dir))
}

fn leftovers(store: &Store, kind: &str) -> usize {
    fs::read_dir(store.root().join(kind)).map_or(0, |dir| dir.flatten().count())
}

#[test]
fn an_entry_is_built_once() {
    let (_dir, store) = store();
    assert_eq!(store.entry("images", "a"), None);
    let first = store.publish("images", "a", write("one")).unwrap();
    let second = store.publish("images", "a", |_| panic!("built twice")).unwrap();
    assert_eq!(first, second);
    assert_eq!(fs::read_to_string(first.join("file")).unwrap(), "one");
    assert_eq!(store.keys("images"), ["a"]);
}

#[test]
fn nothing_of_a_failed_build_is_kept() {
    let (_dir, store) = store();
    let error = store.publish("images", "a", |dir| {
        write("half")(dir)?;
        Err(Error::new(ErrorKind::Build, "no"))
    });
    assert_eq!(error.unwrap_err().kind, ErrorKind::Build);
    assert_eq!(store.entry("images", "a"), None);
    assert_eq!(leftovers(&store, "images"), 0);
}

#[test]
fn nothing_of_a_panicking_build_is_kept() {
    let (_dir, store) = store();
    let panicking = store.clone();
    let ended = std::thread::spawn(move || panicking.publish("images", "a", |_| panic!("on purpose"))).join();
    assert!(ended.is_err());
    assert_eq!(leftovers(&store, "images"), 0);
    store.publish("images", "a", write("one")).unwrap();
}

#[test]
fn what_a_killed_builder_left_is_removed_and_never_used() {
    let (_dir, store) = store();
    for key in ["a", "b"] {
        // The second is that of a dead process with the same id as this one.
        for pid in [1, std::process::id()] {
            let dead = store.root().join("images").join(format!(".tmp-{pid}-{key}"));
            fs::create_dir_all(&dead).unwrap();
            fs::write(dead.join("half"), "made").unwrap();
        }
        assert_eq!(store.entry("images", key), None);
    }
    let done = store.publish("images", "b", write("one")).unwrap();
    assert!(!done.join("half").exists());
    assert_eq!(leftovers(&store, "images"), 1);
}

#[test]
fn the_directory_of_a_running_builder_is_not_removed() {
    let (_dir, store) = store();
    let alive = store.root().join("images").join(".tmp-1-a");
    fs::create_dir_all(&alive).unwrap();
    let _lock = store.lock("images-a").unwrap();
    store.publish("images", "b", write("one")).unwrap();
    assert!(alive.exists());
}

#[test]
fn two_builders_of_one_entry_build_it_once() {
    let (_dir, store) = store();
    let built = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, built) = (store.clone(), built.clone());
            std::thread::spawn(move || {
                store.publish("images", "a", |dir| {
                    *built.lock().unwrap() += 1;
                    std::thread::sleep(Duration::from_millis(50));
                    write("one")(dir)
                })
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join().unwrap().unwrap()));
    assert_eq!(*built.lock().unwrap(), 1);
}

#[test]
fn a_waiting_process_prints_the_holder_and_can_be_interrupted() {
    let (_dir, store) = store();
    let _held = store.lock("images-x").unwrap();
    let told = Mutex::new(Vec::new());
    let stop = || Err(Error::new(ErrorKind::Interrupt, "stopped"));
    let tell = |text: &str| told.lock().unwrap().push(text.to_string());
    let error = StoreLock::take(&store.lock_file("images-x"), "images-x", tell, &stop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Interrupt);
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with(&format!("waiting for process {} (", std::process::id())), "{told:?}");
    assert!(told[0].ends_with("holds the lock images-x"), "{told:?}");
}

#[test]
fn a_truncated_file_is_found_by_its_size_and_built_again() {
    let (_dir, store) = store();
    let dir = store.publish_with_manifest("images", "a", write("kernel")).unwrap();
    assert_eq!(store.verify("images", "a", Depth::Hashes).unwrap(), Condition::Sound(dir.clone()));
    fs::write(dir.join("file"), "ker").unwrap();
    let Condition::Damaged(wrong) = store.verify("images", "a", Depth::Sizes).unwrap() else { panic!() };
    assert_eq!(wrong, ["file has 3 bytes instead of 6"]);
    store.publish_with_manifest("images", "a", write("kernel")).unwrap();
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "kernel");
}

#[test]
fn a_flipped_byte_is_found_by_its_sum() {
    let (_dir, store) = store();
    let dir = store.publish_with_manifest("images", "a", write("kernel")).unwrap();
    fs::write(dir.join("file"), "kernal").unwrap();
    assert!(store.sound("images", "a", Depth::Sizes).unwrap().is_some());
    assert_eq!(store.sound("images", "a", Depth::Hashes).unwrap(), None);
    assert_eq!(store.entry("images", "a"), None);
    store.publish_with_manifest("images", "a", write("kernel")).unwrap();
    fs::write(dir.join("file"), "kernal").unwrap();
    store.publish_with_manifest("images", "a", write("kernel")).unwrap();
    assert_eq!(fs::read_to_string(dir.join("file")).unwrap(), "kernel");
}

#[test]
fn an_entry_without_its_manifest_is_damaged() {
    let (_dir, store) = store();
    let dir = store.publish_with_manifest("images", "a", write("kernel")).unwrap();
    fs::remove_file(dir.join(manifest::FILE)).unwrap();
    assert!(matches!(store.verify("images", "a", Depth::Sizes).unwrap(), Condition::Damaged(_)));
}

#[test]
fn an_unwritable_cache_is_a_host_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Even root cannot create a directory below a file or in /proc.
    for root in [file.path().join("cache"), PathBuf::from("/proc/cache")] {
        let error = Store::open(Some(&root)).err().unwrap();
        assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Host, 23));
        assert!(error.to_string().contains("XDG_CACHE_HOME"), "{error}");
    }
}

#[test]
fn the_default_root_depends_on_the_environment() {
    let var = |cache: &'static str| {
        move |name: &str| match name {
            "XDG_CACHE_HOME" => Some(PathBuf::from(cache)),
            _ => Some(PathBuf::from("/users/someone")),
        }
    };
    assert_eq!(default_root(var("/big")).unwrap(), Path::new("/big/dmabuf-alias-conformance"));
    let below_home = Path::new("/users/someone/.cache/dmabuf-alias-conformance");
    assert_eq!(default_root(var("relative")).unwrap(), below_home);
    assert_eq!(default_root(|_| None).unwrap_err().kind, ErrorKind::Host);
}

#[test]
fn names_cannot_leave_the_cache() {
    assert_eq!(file_name("../etc/passwd"), "_.._etc_passwd");
    assert_eq!(file_name("7.2.13-1~bpo13+1"), "7.2.13-1~bpo13+1");
}

#[test]
fn a_file_with_two_names_counts_once() {
    let (_dir, store) = store();
    let dir =
        store.publish("sources", "a", |dir| fs::write(dir.join("file"), vec![1; 100_000]).map_err(|e| io(&e, "", dir)));
    let build_dir = store.directory("workshops", "a").unwrap();
    fs::hard_link(dir.unwrap().join("file"), build_dir.join("file")).unwrap();
    let sizes = store.sizes();
    assert!(sizes[0].1 >= 100_000, "{sizes:?}");
    assert!(sizes[1].1 < 100_000, "{sizes:?}");
    assert!(store.free_space().unwrap() > 0);
}
