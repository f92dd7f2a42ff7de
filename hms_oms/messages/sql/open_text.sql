-- Whether any text is open: to be sent, being sent, or to be asked after. In the order of the index of each: by
-- statistics of a busier hour the table would be read.
select coalesce(
    (select true from oms.messages where state = 'pending' order by page, due_at, id limit 1),
    (select true from oms.messages where state = 'sending' order by lease_until limit 1),
    (select true from oms.messages where state in ('unknown', 'accepted', 'sent') order by page, due_at, id limit 1),
    false
) as is_open
