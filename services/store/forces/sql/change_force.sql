-- Replace the settings of a force, as in the function; false when there is none of this code.
--   $1 force, $2 south, $3 west, $4 north, $5 east (all null: anywhere), $6 words (null: the usual ones)
select change_force($1, $2, $3, $4, $5, $6)
