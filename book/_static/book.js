// What our pages need beyond the theme.
