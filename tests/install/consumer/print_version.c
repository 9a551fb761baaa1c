/* Prints the library's version: the smallest program that uses an installed Veer. */
#include <stdio.h>
#include <veer.h>

int main(void)
{
    printf("%s\n", veer_version());
    return 0;
}
