//! tiny-web and everything that may be sent to it: from the RFCs, row by row, and from people who mean no good.

mod rows;
mod site;
mod slow;
mod table;
