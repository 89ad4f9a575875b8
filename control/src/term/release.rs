//! Finishing a release: from then on the cluster writes what the releases before cannot read.
//!
//! ```text
//! every process that is up knows it ─► ReleaseFinished in the log ─► c/cluster ─► everybody sees it
//! ```
//!
//! It is for ever. A process that was not up, or that nobody sees, and does not know the release
//! finds it in `c/cluster` when it joins, or within seconds if it had joined before, and leaves.

use hop::{Request, Response, internal::FinishReleaseResponse};
use protocol::{ErrorCode, release::Release};

use super::{Ended, Term};
use crate::{
    command::{self, Command},
    meta_log::MetaRecord,
    processes::{behind, processes},
};

impl Term {
    pub(super) async fn finish_release(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::FinishRelease(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let release = match self.check_release(request.release).await {
            Ok(release) => release,
            Err(message) => {
                command.answer(refused(ErrorCode::InvalidRequest, message));
                return Ok(());
            }
        };
        if release > self.catalogue.release() {
            command.begun();
            if let Err(ended) = self.commit(MetaRecord::ReleaseFinished(release)).await {
                command.refuse(ErrorCode::RequestTimedOut);
                return Err(ended);
            }
            tracing::info!(%release, "release finished: there is no way back");
        }
        if let Err(error) = self.copies.show_release(&self.catalogue).await {
            let code = ErrorCode::RequestTimedOut;
            command.answer(refused(code, command::message(code).to_owned()));
            return self.copies_failed(&error);
        }
        command.answer(Response::FinishRelease(FinishReleaseResponse {
            release: release.number().into(),
            ..FinishReleaseResponse::default()
        }));
        Ok(())
    }

    /// The release that was asked for, or why it cannot be finished.
    async fn check_release(&self, number: u32) -> Result<Release, String> {
        let ours = self.parts.opening.peers.credentials().releases().newest();
        let finished = self.catalogue.release();
        let asked = u16::try_from(number).ok().and_then(Release::new);
        let asked = asked.filter(|asked| (finished..=ours).contains(asked)).ok_or_else(|| {
            format!(
                "release {number} cannot be finished: release {finished} is, and control is of \
                 release {ours}"
            )
        })?;
        let processes = processes(&*self.parts.metadata).await;
        let processes = processes.map_err(|error| format!("nobody knows who is up: {error}"))?;
        match behind(&processes, asked) {
            behind if behind.is_empty() => Ok(asked),
            behind => Err(format!("not all processes know release {asked}: {behind}")),
        }
    }
}

fn refused(code: ErrorCode, message: String) -> Response {
    let error_code = code.code().into();
    Response::FinishRelease(FinishReleaseResponse { error_code, message, release: 0 })
}
