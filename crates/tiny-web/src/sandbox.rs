//! Giving up rights that the server doesn't need: from here on the process reads the files of its folder, and nothing else of
//! the machine's. An error of ours that a client could use would give it no more than what it may have anyway.

use std::path::Path;

use rustix::fd::BorrowedFd;

/// Gives up everything, for this thread and all that it starts, but: to read the `folder` that is shown, to open a log anew in
/// its folder, and to remove the socket's file from its one, of each that is there. Says what is in force now, or why nothing
/// is.
///
/// Errors: what kept the kernel from it, which is a reason to say so, and to go on.
#[cfg(target_os = "linux")]
pub fn confine(folder: Option<BorrowedFd>, log: Option<&Path>, socket: Option<&Path>) -> Result<&'static str, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
    };
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        // As much of this as the kernel knows; a bare minimum is checked below by what it says it does.
        let everything = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?;
        let reading = folder.map(|folder| PathBeneath::new(folder, AccessFs::ReadFile | AccessFs::ReadDir));
        // Of the files beside them, too: Landlock knows folders, not names.
        let kept = everything
            .add_rules(reading.map(Ok::<_, RulesetError>))?
            .add_rules(path_beneath_rules(log, AccessFs::WriteFile | AccessFs::MakeReg))?
            .add_rules(path_beneath_rules(socket, AccessFs::RemoveFile))?;
        Ok(kept.restrict_self()?.ruleset)
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
pub fn confine(_: Option<BorrowedFd>, _: Option<&Path>, _: Option<&Path>) -> Result<&'static str, String> {
    Err("this system has no Landlock".to_owned())
}
