//! Giving up rights that the server doesn't need: from here on the process reads the files of its folder, and nothing else of
//! the machine's. An error of ours that a client could use would give it no more than what it may have anyway.

use std::path::Path;

use rustix::fd::BorrowedFd;

/// What the process keeps.
pub struct Needs<'a> {
    /// The folder that it shows.
    pub folder: Option<BorrowedFd<'a>>,
    /// The folder in which the log is opened anew.
    pub log: Option<&'a Path>,
    /// The folder in which its socket's file is removed at the end.
    pub socket: Option<&'a Path>,
}

/// Gives up everything else, for this thread and all that it starts; says what is in force now, or why nothing is.
///
/// Errors: what kept the kernel from it, which is a reason to say so, and to go on.
#[cfg(target_os = "linux")]
pub fn confine(needs: &Needs) -> Result<&'static str, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetStatus, Scope,
    };
    let restrict = || -> Result<RulesetStatus, landlock::RulesetError> {
        // As much of this as the kernel knows; a bare minimum is checked below by what it says it does.
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let ruleset =
            ruleset.handle_access(AccessFs::from_all(ABI::V6))?.handle_access(AccessNet::from_all(ABI::V6))?;
        let mut ruleset = ruleset.scope(Scope::from_all(ABI::V6))?.create()?;
        if let Some(folder) = needs.folder {
            ruleset = ruleset.add_rule(PathBeneath::new(folder, AccessFs::ReadFile | AccessFs::ReadDir))?;
        }
        let beneath = [
            (needs.log, AccessFs::WriteFile | AccessFs::MakeReg),
            // Of the files beside it, too: Landlock knows folders, not names.
            (needs.socket, AccessFs::RemoveFile.into()),
        ];
        for (path, rights) in beneath {
            if let Some(path) = path.and_then(|path| PathFd::new(path).ok()) {
                ruleset = ruleset.add_rule(PathBeneath::new(path, rights))?;
            }
        }
        Ok(ruleset.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::FullyEnforced) => Ok("Landlock"),
        Ok(RulesetStatus::PartiallyEnforced) => Ok("Landlock, as far as this kernel has it"),
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Elsewhere there is nothing like it.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &Needs) -> Result<&'static str, String> {
    Err("this system has no Landlock".to_owned())
}
