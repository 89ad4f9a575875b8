//! The command as a whole, on this machine.

use std::fs;

use super::*;

async fn findings(text: &str) -> Result<ExitCode> {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    fs::write(file.path(), text).expect("file is written");
    let config = file.path().to_owned();
    run(DoctorArguments { config, full: false, json: true }).await
}

#[tokio::test]
async fn a_node_whose_surroundings_are_well_passes() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().display();
    let text = format!(
        "[metadata]\nurl = 'redb://{path}/meta'\n[store]\nurl = 'file://{path}/store'\n\
         [storage_node]\nnode_id = 1\ncache_size = '1MiB'\n[storage_node.wal]\npath = '{path}/wal'\n\
         size = '64MiB'\n"
    );
    // Some machines have their temporary files in memory, where no log belongs.
    let lasts = !log_device::is_in_memory(folder.path());
    let expected = if lasts { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    assert_eq!(findings(&text).await.expect("it runs"), expected);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("readable").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("doctor")));
}

#[tokio::test]
async fn a_log_without_its_folder_is_bad() {
    let text = "[storage_node]\nnode_id = 1\n[storage_node.wal]\npath = '/nowhere/at/all/wal'\n";
    assert_eq!(findings(text).await.expect("it runs"), ExitCode::FAILURE);
}

#[tokio::test]
async fn a_file_of_no_role_is_refused() {
    let error = findings("[log]\nformat = 'text'\n").await.expect_err("no role");
    assert!(error.to_string().contains("[storage_node]"), "{error}");
}
