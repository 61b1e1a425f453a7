//! Container engines: what is asked of them, and what they say. The only place where one is touched.
