"""An installation on one machine: embedded servers, processes and their supervisor."""
