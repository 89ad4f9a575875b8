//! A directory that keeps the promises of a bucket.
//!
//! `object_store`'s local file system creates atomically (hard link) and syncs
//! what it writes, but refuses conditional updates, and its version, made of
//! inode, modification time and size, repeats when an inode is reused within a
//! clock tick. This wrapper adds both:
//!
//! - an update runs under an advisory lock shared by all processes of the
//!   machine: compare the version, write beside, sync, rename, sync the directory;
//! - each update sets a modification time above the replaced file's, so that the
//!   versions of one key never repeat (R22 without trusting the clock).
//!
//! Lock files are never removed: a process could be waiting on the removed one
//! while the next locks its successor. There are 256, picked by a hash of the key.

mod reading;
mod writing;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result, UpdateVersion,
};
use tokio::sync::Semaphore;

use self::reading::Reading;
use self::writing::{Staged, sync_directory_of};

const STORE: &str = "directory";

/// Updates of one process at one time. Each holds a blocking thread while it
/// waits for its lock and needs a second one to read the version: were all
/// threads of the pool waiting, none could go on.
const UPDATES_MAX: usize = 16;

/// Versions carry microseconds, so that is the smallest visible step.
const VERSION_STEP: Duration = Duration::from_micros(1);

/// What a disk is asked for, or given, at once: the least that most need for their full speed. Shorter
/// objects are one piece anyway.
const PIECE_BYTES: usize = 256 << 10;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct LocalDirectory {
    files: LocalFileSystem,
    locks: PathBuf,
    updates: Arc<Semaphore>,
    reading: Reading,
}

impl LocalDirectory {
    /// Opens the directory, making it when it is missing.
    pub(crate) fn open(root: &FilePath) -> io::Result<Self> {
        let locks = root.join(".locks");
        fs::create_dir_all(&locks)?;
        // Fails here, with the path in hand, rather than at the first write.
        lock_file(&locks, 0)?;
        let files = LocalFileSystem::new_with_prefix(root).map_err(io::Error::other)?;
        let updates = Arc::new(Semaphore::new(UPDATES_MAX));
        Ok(Self { files: files.with_fsync(true), locks, updates, reading: Reading::new() })
    }

    /// The lock is held from the comparison to the new version's name, so the
    /// version returned is the one this call made.
    async fn update(
        &self,
        location: &Path,
        payload: PutPayload,
        expected: UpdateVersion,
    ) -> Result<PutResult> {
        let permit = Arc::clone(&self.updates).acquire_owned().await.expect("never closed");
        let files = self.files.clone();
        let locks = self.locks.clone();
        let location = location.clone();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            // Here, because the work goes on when the caller is dropped.
            let _permit = permit;
            let path = files.path_to_filesystem(&location)?;
            let stripe = crc32c::crc32c(location.as_ref().as_bytes()) as u8;
            let _lock = lock_file(&locks, stripe).map_err(generic)?;
            let current = match runtime.block_on(files.head(&location)) {
                Ok(meta) => meta.e_tag,
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            if current.is_none() || current != expected.e_tag {
                let source = format!("current version is {current:?}").into();
                return Err(Error::Precondition { path: location.to_string(), source });
            }
            replace(&path, &payload).map_err(generic)?;
            let e_tag = runtime.block_on(files.head(&location))?.e_tag;
            Ok(PutResult { e_tag, version: None, extensions: object_store::Extensions::default() })
        })
        .await?
    }

    /// `None` where the file system cannot do it in this way.
    async fn put_long(
        &self,
        location: &Path,
        payload: &PutPayload,
        mode: &PutMode,
    ) -> Result<Option<PutResult>> {
        let path = self.files.path_to_filesystem(location)?;
        let (payload, create) = (payload.clone(), matches!(mode, PutMode::Create));
        let written = tokio::task::spawn_blocking(move || {
            let staged = Staged::write(&path, &payload)?;
            if create { staged.create(&path) } else { staged.overwrite(&path) }
        });
        match written.await? {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::AlreadyExists {
                    path: location.to_string(),
                    source: error.into(),
                });
            }
            Err(error) => return Err(generic(error)),
        }
        let e_tag = self.files.head(location).await?.e_tag;
        let extensions = object_store::Extensions::default();
        Ok(Some(PutResult { e_tag, version: None, extensions }))
    }
}

/// Swaps the file's content in one step, durably.
fn replace(path: &FilePath, payload: &PutPayload) -> io::Result<()> {
    let replaced = fs::metadata(path)?.modified()?;
    // The `#digits` ending hides the file from listings (see `LocalFileSystem`);
    // the lock makes the one name enough.
    let staged_path = with_suffix(path, "#0");
    let mut staged = File::create(&staged_path)?;
    payload.iter().try_for_each(|chunk| staged.write_all(chunk))?;
    let modified = staged.metadata()?.modified()?.max(replaced + VERSION_STEP);
    staged.set_modified(modified)?;
    staged.sync_all()?;
    fs::rename(&staged_path, path)?;
    sync_directory_of(path)
}

/// Waits for the lock; dropping the file gives it back, as does the death of the process.
fn lock_file(locks: &FilePath, stripe: u8) -> io::Result<File> {
    // Named like a staged upload, so that listings leave it out.
    let path = locks.join(format!("lock#{stripe}"));
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

fn with_suffix(path: &FilePath, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn generic(source: io::Error) -> Error {
    Error::Generic { store: STORE, source: source.into() }
}

impl std::fmt::Display for LocalDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalDirectory({})", self.files)
    }
}

// A default method would bypass the wrapped store's better one.
#[deny(clippy::missing_trait_methods)]
#[async_trait::async_trait]
impl ObjectStore for LocalDirectory {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        match options.mode {
            PutMode::Update(expected) => self.update(location, payload, expected).await,
            mode @ (PutMode::Create | PutMode::Overwrite) => {
                let long = payload.content_length() > PIECE_BYTES && options.attributes.is_empty();
                if long && let Some(result) = self.put_long(location, &payload, &mode).await? {
                    return Ok(result);
                }
                options.mode = mode;
                self.files.put_opts(location, payload, options).await
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        Ok(self.reading.gently(self.files.get_opts(location, options).await?))
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await
    }
}
