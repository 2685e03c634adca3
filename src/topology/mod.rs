//! Where users belong: users, backends, the vhost ring, placement, pins, and the changes to all of it.
