//! What operators say about placement, committed as settings.

use hop::{Request, Response, internal::ChangePlacementResponse};
use protocol::ErrorCode;

use super::{Ended, Term};
use crate::{admin::placement, command::Command};

impl Term {
    pub(super) async fn change_placement(&mut self, mut command: Command) -> Result<(), Ended> {
        let Request::ChangePlacement(request) = &command.request else {
            unreachable!("dispatched by API")
        };
        let changes = match placement::plan(&self.catalogue, request) {
            Ok(changes) => changes,
            Err(code) => {
                command.refuse(code);
                return Ok(());
            }
        };
        if !changes.is_empty() {
            command.begun();
            if let Err(doubt) = self.change_settings(changes).await {
                command.refuse(ErrorCode::RequestTimedOut);
                return doubt.then;
            }
        }
        let done = ChangePlacementResponse { error_code: ErrorCode::None.code().into() };
        command.answer(Response::ChangePlacement(done));
        Ok(())
    }
}
