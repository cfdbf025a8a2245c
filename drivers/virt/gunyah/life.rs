// SPDX-License-Identifier: GPL-2.0

//! What may be asked for in which state of a machine.
//!
//! The resource manager does not survive some questions: it dies when a machine is reset that was
//! never configured, or that has no configuration because that failed, and when a machine is
//! configured again after a reset. So nothing is sent that the table in [`Life::after`] does not
//! have.
//!
//! ```text
//! Loading -Configure-> Configured -Init-> Ready -Start-> Running -Stop-> Exited
//!    |         |                   |        | |             ^              |
//!    |      refused             refused     | refused       `- by itself --'
//!    |         v                   v        |    |                         |
//!    |       Stuck               Failed <---|----'                         |
//!    |                             `----Reset----------------------------- |
//!    |                                      v
//!    `---------- given back --------------Reset
//! ```

use kernel::prelude::*;

use crate::error::Failure;

/// The state of a machine as we know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// It is there, and has no configuration.
    Loading,
    /// It could not be configured. It can be neither reset nor given back.
    Stuck,
    /// It is configured. It must be initialised before it can be reset.
    Configured,
    /// It can be started.
    Ready,
    /// It could not be initialised or started.
    Failed,
    /// It runs, or has exited without our having heard of it.
    Running,
    /// It has stopped.
    Exited,
    /// Its memory can be taken back, and it can be given back.
    Reset,
    /// Nothing is known of it. Nothing more is asked of it.
    Unknown,
}

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Say where the image is.
    Configure,
    /// Make what it needs in the hypervisor.
    Init,
    /// Run.
    Start,
    /// Stop, by force.
    Stop,
    /// Take everything away from it.
    Reset,
}

impl Life {
    /// Returns the states after `action`: if it is done, and if it is refused.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: not in this state.
    pub(crate) fn after(self, action: Action) -> Result<(Self, Self)> {
        match (self, action) {
            (Self::Loading, Action::Configure) => Ok((Self::Configured, Self::Stuck)),
            (Self::Configured, Action::Init) => Ok((Self::Ready, Self::Failed)),
            (Self::Ready, Action::Start) => Ok((Self::Running, Self::Failed)),
            (Self::Running, Action::Stop) => Ok((Self::Exited, Self::Running)),
            (Self::Ready | Self::Failed | Self::Exited, Action::Reset) => Ok((Self::Reset, self)),
            _ => Err(EBUSY),
        }
    }

    /// Returns the state after the resource manager was asked for `action`.
    pub(crate) fn asked(self, action: Action, result: Result<(), Failure>) -> Result<Self> {
        let (done, refused) = self.after(action)?;

        Ok(match result {
            Ok(()) => done,
            Err(Failure::NotSent(_)) => self,
            Err(Failure::Refused(_)) => refused,
            Err(Failure::Unknown(_)) => Self::Unknown,
        })
    }

    /// Returns what to ask for next on the way to an end. [`None`] if there is nothing.
    pub(crate) fn way_out(self) -> Option<Action> {
        match self {
            Self::Configured => Some(Action::Init),
            Self::Running => Some(Action::Stop),
            Self::Ready | Self::Failed | Self::Exited => Some(Action::Reset),
            Self::Loading | Self::Stuck | Self::Reset | Self::Unknown => None,
        }
    }

    /// Returns whether the machine can be given back.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Loading | Self::Reset)
    }
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_life)]
mod tests {
    use super::*;
    use crate::error::Code;

    const STATES: [Life; 9] = [
        Life::Loading,
        Life::Stuck,
        Life::Configured,
        Life::Ready,
        Life::Failed,
        Life::Running,
        Life::Exited,
        Life::Reset,
        Life::Unknown,
    ];

    #[test]
    fn nothing_is_sent_that_kills() {
        for state in [Life::Loading, Life::Stuck, Life::Unknown] {
            let reset = state.after(Action::Reset);
            assert!(reset == Err(EBUSY));
        }
        for state in STATES {
            let configures = state.after(Action::Configure).is_ok();
            assert!(configures == (state == Life::Loading));
        }
    }

    #[test]
    fn each_way_out_ends() -> Result {
        for state in STATES {
            let mut state = state;
            let mut steps = 0;

            while let Some(action) = state.way_out() {
                state = state.asked(action, Ok(()))?;
                steps += 1;
            }
            assert!(steps <= 2);
            assert!(state.is_over() || matches!(state, Life::Stuck | Life::Unknown));
        }
        Ok(())
    }

    #[test]
    fn what_is_not_known_is_left_alone() -> Result {
        let unknown = Life::Running.asked(Action::Stop, Err(Failure::Unknown(EBADMSG)))?;
        let unsent = Life::Running.asked(Action::Stop, Err(Failure::NotSent(ENODEV)))?;
        let refused = Life::Ready.asked(Action::Start, Err(Failure::Refused(Code::BUSY)))?;

        assert_eq!(unknown, Life::Unknown);
        assert_eq!(unknown.way_out(), None);
        assert!(!unknown.is_over());
        assert_eq!(unsent, Life::Running);
        assert_eq!(refused, Life::Failed);
        Ok(())
    }
}
