/* Numbers as text and back, independent of the locale. */
#ifndef VEER_FILTER_FILTER_NUMBER_H
#define VEER_FILTER_FILTER_NUMBER_H

/* The shortest of 15 to 17 digits that reads back as the number; "inf" and "-inf" for those. */
void number_print(double number, char text[40]);

#endif
