-- Send no more texts to this phone.
insert into oms.opt_outs (phone) values (%(phone)s::text) on conflict (phone) do nothing returning phone
