//! Method and path → that route's stack.
//!
//! A [`Table`] is built once, when the configuration loads; a [`Router`] adds the stacks of one worker. A path
//! that no route has is [`Fault::NoRoute`], a method that the path's routes do not have
//! [`Fault::MethodNotAllowed`] with the ones that they do. A route with GET answers HEAD too, unless another
//! route of the path has it.

mod rewrite;
mod service;
mod table;
mod template;

pub(crate) use self::{
    rewrite::Rewrite,
    service::Router,
    table::{InvalidRoute, OfPath, Table},
};

#[cfg(doc)]
use crate::Fault;
