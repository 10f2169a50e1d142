mod dwolla;
