-- Whether a text has an attempt of this number.
select number from oms.message_attempts where message_id = %(message)s::bigint and number = %(attempt)s::int
