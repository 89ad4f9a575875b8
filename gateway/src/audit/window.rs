//! What clients did lately, so that doing it again costs a count and no line.

use std::collections::HashMap;

use super::event::{Event, Line, What};
use crate::limits::{AUDIT_CLIENTS_PER_WINDOW, AUDIT_LINES_PER_CLIENT};
use crate::metrics;

/// The events since the last window, by the client that caused them.
#[derive(Debug, Default)]
pub(super) struct Window {
    clients: HashMap<(u32, String), OfClient>,
}

/// One address of one tenant.
#[derive(Debug, Default)]
struct OfClient {
    /// How often each event came again.
    repeats: HashMap<Event, u64>,
    /// Events that were too many to be told apart.
    omitted: u64,
}

impl Window {
    /// Takes an event in. It comes back if it is to be written now.
    pub(super) fn take(&mut self, event: Event) -> Option<Event> {
        let client = (event.tenant, event.client.clone());
        if !self.clients.contains_key(&client) && self.clients.len() >= AUDIT_CLIENTS_PER_WINDOW {
            metrics::audit_dropped(1);
            return None;
        }
        let of_client = self.clients.entry(client).or_default();
        if let Some(repeats) = of_client.repeats.get_mut(&event) {
            *repeats += 1;
            return None;
        }
        if of_client.repeats.len() >= AUDIT_LINES_PER_CLIENT {
            of_client.omitted += 1;
            return None;
        }
        of_client.repeats.insert(event.clone(), 0);
        Some(event)
    }

    /// What was counted and not written.
    pub(super) fn close(self, now_ms: i64) -> Vec<Line> {
        let mut lines = Vec::new();
        for ((tenant, client), of_client) in self.clients {
            let repeated = of_client.repeats.into_iter().filter(|(_, count)| *count > 0);
            lines.extend(repeated.map(|(event, count)| Line { time_ms: now_ms, event, count }));
            if of_client.omitted > 0 {
                let event = Event::new(What::Omitted, protocol::ids::TenantId(tenant), "", &client);
                lines.push(Line { time_ms: now_ms, event, count: of_client.omitted });
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::TenantId;

    use super::*;

    fn denied(client: &str, topic: &str) -> Event {
        Event::new(What::Denied, TenantId(1), "User:mallory", client).about("TOPIC", topic)
    }

    #[test]
    fn what_repeats_is_one_line_and_a_count() {
        let mut window = Window::default();
        let event = denied("10.0.0.1", "orders");
        assert_eq!(window.take(event.clone()), Some(event.clone()));
        for _ in 0..999 {
            assert_eq!(window.take(event.clone()), None);
        }
        assert!(window.take(denied("10.0.0.2", "orders")).is_some(), "another client");
        assert_eq!(window.close(7), [Line { time_ms: 7, event, count: 999 }]);
    }

    #[test]
    fn a_client_that_varies_what_it_does_gets_so_many_lines() {
        let mut window = Window::default();
        let lines = (0..10_000).filter_map(|at| window.take(denied("10.0.0.1", &at.to_string())));
        assert_eq!(lines.count(), AUDIT_LINES_PER_CLIENT);
        assert!(window.take(denied("10.0.0.2", "orders")).is_some(), "others have their own");
        let lines = window.close(0);
        let [Line { event, count, .. }] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((event.event, event.client.as_str()), (What::Omitted, "10.0.0.1"));
        assert_eq!(*count, 10_000 - AUDIT_LINES_PER_CLIENT as u64);
    }

    #[test]
    fn so_many_clients_are_told_apart() {
        let mut window = Window::default();
        let written = (0..3 * AUDIT_CLIENTS_PER_WINDOW)
            .filter_map(|at| window.take(denied(&at.to_string(), "orders")));
        assert_eq!(written.count(), AUDIT_CLIENTS_PER_WINDOW);
    }
}
