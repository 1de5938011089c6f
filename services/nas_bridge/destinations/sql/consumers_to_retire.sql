-- Retired destinations whose consumer the store may still have, in the declared forces.
--   no parameters
select d.force, d.name
from destinations as d
join lines as l on l.force = d.force and l.line = d.name
where l.state = 6 and d.registered
order by d.force, d.name
