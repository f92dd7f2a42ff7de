"""The farm-grant workflow: an application is checked, a visit is assigned, the applicant gets a text."""
