package population

import (
	"math"
	"math/rand/v2"
	"strings"
)

// frequentNames are family names in the order of how many bear them in the invented country; rarer ones are made of syllables.
var frequentNames = strings.Fields(`Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Garcia David Bertrand Roux Vincent
	Fournier Morel Girard André Lefèvre Mercier Dupont Lambert Bonnet François Martinez Legrand Garnier Faure Rousseau Blanc Guérin Muller Henry Roussel Nicolas Perrin
	Morin Mathieu Clément Gauthier Dumont Lopez Fontaine Chevalier Robin Masson Sanchez Gérard Nguyen Boyer Denis Lemaire Duval Joly Gautier Roger Roche Roy Noël Meyer
	Lucas Meunier Jean Perez Marchand Dufour Blanchard Marie Barbier Brun Dumas Brunet Schmitt Leroux Colas Fernandez Pierre Renard Arnaud Rolland Caron Aubert Giraud
	Leclerc Vidal Bourgeois Renaud Lemoine Picard Gaillard Philippe Leclercq Lacroix Fabre Dupuis Olivier Rodriguez Hubert Louis Charles Guillot Rivière Payet Moulin
	Adam Hoarau Le_Gall Le_Goff Le_Roux De_La_Tour D'Alençon Du_Pré Saint-Martin De_Saint-Jean L'Hermite Des_Champs N'Diaye O'Brien Da_Silva Dos_Santos De_Oliveira
	Ben_Ali El_Mansouri Vandenberghe Van_Damme Grondin Diallo Traoré Konaté Coulibaly Benali Haddad Kaya Yilmaz Tran Pham Chen Ferreira Pereira Gonçalves Alves`)

var heads = strings.Fields(`Bar Ber Bou Bré Cau Cha Char Clé Cou Cré Dau Del Dé Du Fal Fau Flo Fou Gal Gau Gé Gour Gran Gué Hau Jou La Lan Lou Mal Mar Mé Mon Mor Pas Pel
	Pi Pon Pou Qué Ra Ré Ri Ro Rou Sal Sé Sou Tar Thi Tou Tré Va Vau Ver Vi`)
var middles = strings.Fields(`ba bi bo cha chi co da de di do fa fe fi ga gi go gue la le li lo lou ma me mi mo na ne ni no pa pe pi po ra re ri ro ta te ti to va vi`)
var tails = strings.Fields(`nier lier ron rond lin lain sot set zac gnac guet net not dier tier thier ret rel teau deau reau veau mel nel din dain tin ton douin gny ville vois cher
	zel seau bert gard laud nault quet court mont val`)

// familyNames is how many there are: about as many as a country of this size has.
const familyNames = 90_000

// familyName is the name of a rank, from 0. No two ranks share a name.
func familyName(rank int) string {
	if rank < len(frequentNames) {
		return strings.ReplaceAll(frequentNames[rank], "_", " ")
	}
	n := rank - len(frequentNames)
	n = n * 7919 % (len(heads) * len(middles) * len(tails)) // neighbours in rank are not neighbours in spelling
	return heads[n%len(heads)] + middles[n/len(heads)%len(middles)] + tails[n/len(heads)/len(middles)]
}

// drawFamily draws a rank after Zipf and Mandelbrot: the first name is borne by about one in 300, two in three are borne by fewer than one in 20,000.
func drawFamily(rng *rand.Rand) int {
	const offset = 30
	return min(int(offset*math.Pow((familyNames+offset)/offset, rng.Float64()))-offset, familyNames-1)
}

// givenName is a given name and when it was given: most in its peak year, fewer some width years around.
type givenName struct {
	name  string
	peak  int
	share float64
}

func givenNames(list string) []givenName {
	var out []givenName
	for _, group := range strings.Split(list, ";") {
		words := strings.Fields(group)
		peak := 0
		for _, c := range words[0] {
			peak = peak*10 + int(c-'0')
		}
		for i, w := range words[1:] {
			out = append(out, givenName{w, peak, 1 / (1 + .12*float64(i))})
		}
	}
	return out
}

var boys = givenNames(`1925 Jean Pierre André Marcel Roger René Louis Henri Maurice Raymond Georges Lucien Robert Gaston Fernand Émile Eugène Léon Albert Gustave;
	1945 Jean Michel Jacques Claude Gérard Daniel Bernard Jean-Pierre Jean-Claude Alain Guy Christian Serge Yves Roland Gilbert Jean-Paul Robert Francis Jean-Louis;
	1962 Philippe Patrick Pascal Éric Thierry Alain Didier Bruno Laurent Gilles Marc Dominique Jean-Luc Jean-Marc Franck Hervé Joël Denis Jean-François Régis;
	1975 Stéphane Christophe Frédéric Sébastien David Nicolas Jérôme Olivier Cédric Arnaud Fabrice Ludovic Karim Rachid Samir Emmanuel Xavier Grégory Yann Cyril;
	1990 Julien Nicolas Thomas Kévin Alexandre Romain Anthony Guillaume Maxime Jérémy Florian Quentin Benjamin Clément Mickaël Jonathan Damien Adrien Loïc Dylan;
	2003 Lucas Théo Hugo Thomas Enzo Alexandre Maxime Clément Nathan Antoine Léo Mathis Tom Quentin Baptiste Louis Noah Yanis Mohamed Ryan;
	2016 Gabriel Raphaël Léo Louis Jules Lucas Adam Arthur Hugo Maël Liam Ethan Noah Sacha Gabin Paul Mohamed Nolan Luca Éden`)

var girls = givenNames(`1925 Marie Jeanne Marguerite Germaine Louise Yvonne Madeleine Suzanne Marcelle Denise Simone Odette Paulette Renée Andrée Lucienne Georgette Marthe Berthe Alice;
	1945 Marie Monique Françoise Jacqueline Nicole Danielle Michèle Annie Christiane Josette Colette Yvette Marie-Thérèse Arlette Éliane Ginette Bernadette Claudine Geneviève Danièle;
	1962 Sylvie Catherine Martine Christine Brigitte Isabelle Véronique Patricia Chantal Dominique Corinne Pascale Marie-Christine Évelyne Florence Béatrice Anne Michelle Nadine Agnès;
	1975 Nathalie Sandrine Stéphanie Valérie Céline Virginie Karine Delphine Laetitia Sophie Séverine Anne-Sophie Carole Nadia Sonia Emmanuelle Frédérique Magali Gaëlle Hélène;
	1990 Laura Julie Marine Élodie Camille Pauline Aurélie Marion Mélanie Charlotte Émilie Sarah Anaïs Audrey Mathilde Amandine Justine Jessica Lucie Fanny;
	2003 Léa Manon Chloé Emma Camille Inès Océane Marie Sarah Clara Lisa Eva Laura Lola Anaïs Romane Jade Maëlys Zoé Noémie;
	2016 Louise Emma Jade Alice Chloé Lina Mila Léa Rose Anna Ambre Julia Léna Inès Juliette Agathe Lou Zoé Iris Romy`)

// drawGiven draws a given name of a year of birth; one in 25 has a rare one.
func drawGiven(rng *rand.Rand, list []givenName, year int) string {
	if rng.IntN(25) == 0 {
		return rareGiven(rng)
	}
	for {
		g := list[rng.IntN(len(list))]
		d := float64(year-g.peak) / 12
		if rng.Float64() < g.share*max(math.Exp(-d*d/2), .004) {
			return g.name
		}
	}
}

func rareGiven(rng *rand.Rand) string {
	return heads[rng.IntN(len(heads))] + middles[rng.IntN(len(middles))] + strings.Fields("ne na lia ric lien nelle el o is")[rng.IntN(9)]
}

// siblings are given names that parents of twins like to pair.
var siblings = strings.Fields("Léa Léo Paul Paule Emma Emmy Lucas Luca Jade Jane Anna Hanna Louis Louise Marie Maria Noah Noa Julien Julie Martin Martine Daniel Danielle Théo Léo Lina Lila")
